import itertools
import math

import numpy as np
import pytest
import torch
from gymnasium import spaces

from foveal.agents.distributions import Categorical, Gaussian
from foveal.agents.networks import MLP, EgoAttention, make_network
from foveal.agents.policies import ActorCritic

ENTITIES = spaces.Box(-1.0, 1.0, (5, 6), np.float32)


def network(dtype: torch.dtype = torch.float32, **sizes: int) -> EgoAttention:
    torch.manual_seed(0)
    return EgoAttention(ENTITIES, **sizes).to(dtype)


def observations(batch: int = 7, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    made = torch.rand(batch, 5, 6, generator=torch.Generator().manual_seed(1), dtype=dtype) * 2 - 1
    made[..., 0] = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0])
    made[0, 1:, 0] = 0.0  # the ego alone
    made[1, :, 0] = 0.0  # nobody at all
    made[2, :, 0] = 1.0
    return made


def slowly(net: EgoAttention, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (W,) and weights (heads, S) of one observation (S, F), one head and one entity at a time."""
    numbers = torch.cat([observation, torch.tanh(4 * observation), torch.tanh(16 * observation)], -1)
    ego = net.ego_encoder(numbers[0])
    encoded = [ego] + [net.others_encoder(row) for row in numbers[1:]]
    depth = net.features_dim // net.heads
    heads, weights = [], []
    for head in range(net.heads):
        part = slice(head * depth, (head + 1) * depth)
        query = net.query.weight[part] @ ego
        scores = [
            (query @ (net.key.weight[part] @ entity)).item() / math.sqrt(depth)
            if i == 0 or observation[i, 0] >= 0.5
            else -math.inf
            for i, entity in enumerate(encoded)
        ]
        exponentials = [math.exp(score - max(scores)) for score in scores]
        shares = [e / sum(exponentials) for e in exponentials]
        values = [net.value.weight[part] @ entity for entity in encoded]
        heads.append(sum(share * value for share, value in zip(shares, values, strict=True)))
        weights.append(torch.tensor(shares))
    combined = net.combine.weight @ torch.cat(heads)
    return net.output((combined + ego) / 2), torch.stack(weights)


@pytest.mark.parametrize(("width", "heads", "layers"), [(64, 2, 2), (32, 4, 1), (16, 1, 3)])
@pytest.mark.parametrize("batch", [1, 2, 9])
def test_attention_shapes(width, heads, layers, batch):
    net = network(width=width, heads=heads, layers=layers)
    features, weights = net(observations(9)[:batch], return_attention=True)
    assert features.shape == (batch, width) == (batch, net.features_dim)
    assert weights.shape == (batch, heads, 5)


def test_attention_equals_a_slow_explicit_one():
    net, given = network(torch.float64, heads=4), observations(dtype=torch.float64)
    features, weights = net(given, return_attention=True)
    for row in range(len(given)):
        expected_features, expected_weights = slowly(net, given[row])
        torch.testing.assert_close(features[row], expected_features, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(weights[row], expected_weights.double(), rtol=1e-6, atol=1e-9)


def test_weights_told_are_the_weights_used():
    net, given = network(), observations()
    _, query, key, value, mask = net._project(given)
    used = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    told = net.attention(given)
    torch.testing.assert_close(told[:, :, None] @ value, used)
    assert torch.equal(told, net(given, return_attention=True)[1])
    assert torch.equal(net(given, return_attention=True)[0], net(given))


def test_weights_sum_to_one_and_leave_out_the_absent():
    weights = network().attention(observations())
    torch.testing.assert_close(weights.sum(-1), torch.ones(7, 2))
    assert (weights[3:, :, [2, 4]] == 0).all()
    assert (weights[:2, :, 0] == 1).all()  # alone, or nobody marked present: the ego attends to itself
    assert (weights[2] > 0).all()


def test_order_of_the_others_does_not_matter():
    net, given = network(torch.float64), observations(dtype=torch.float64)
    features, weights = net(given, return_attention=True)
    for order in itertools.islice(itertools.permutations(range(1, 5)), 0, 24, 5):
        moved = [0, *order]
        features_moved, weights_moved = net(given[:, moved], return_attention=True)
        torch.testing.assert_close(features_moved, features)
        torch.testing.assert_close(weights_moved, weights[:, :, moved])


def test_absent_vehicles_change_nothing():
    net, given = network(), observations()[3:]
    changed = given.clone()
    changed[:, [2, 4], 1:] = torch.rand(4, 2, 5) * 2 - 1
    assert torch.equal(net(changed), net(given))
    given.requires_grad_()
    net(given).sum().backward()
    assert (given.grad[:, [2, 4]] == 0).all()
    assert (given.grad[:, [0, 1, 3], 1:] != 0).any(-1).all()


def test_gradients():
    net = network(torch.float64, width=8)
    given = observations(4, torch.float64)[2:]
    present = given[..., :1]
    numbers = given[..., 1:].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: net(torch.cat([present, x], -1)), (numbers,))
    assert torch.autograd.gradcheck(lambda x: net.attention(torch.cat([present, x], -1)), (numbers,))
    net(given).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_the_control_sees_order():
    torch.manual_seed(0)
    net, given = MLP(ENTITIES, width=32, layers=1), observations()
    assert net(given).shape == (7, 32)
    assert not torch.allclose(net(given), net(given[:, [0, 2, 1, 3, 4]]))


@pytest.mark.parametrize(
    ("name", "sizes", "space", "message"),
    [
        ("atention", {}, ENTITIES, "unknown network 'atention'; did you mean 'attention'?"),
        ("attention", {"widht": 8}, ENTITIES, "no option 'widht'; did you mean 'width'?"),
        ("attention", {"width": 10**9}, ENTITIES, r"width=1000000000: must be .* in \[1, 4096\]"),
        ("attention", {"width": 32.0}, ENTITIES, "width=32.0: must be int, got float"),
        ("attention", {"heads": 3}, ENTITIES, "heads=3: must divide width=64"),
        ("attention", {}, spaces.Box(-1, 1, (5,)), r"takes a Box \(entities, features\)"),
        ("mlp", {}, spaces.Discrete(3), "takes a Box of any shape"),
    ],
)
def test_networks_refuse(name, sizes, space, message):
    with pytest.raises(ValueError, match=message):
        make_network(name, space, sizes)


@pytest.mark.parametrize("name", ["attention", "mlp"])
@pytest.mark.parametrize("shared", [False, True])
def test_actor_critic(name, shared):
    torch.manual_seed(0)
    policy = ActorCritic(ENTITIES, spaces.Discrete(5), network=name, shared=shared)
    distribution, values, features, _ = policy(observations())
    assert distribution.logits.shape == (7, 5)
    assert values.shape == (7,)
    assert features.shape == (7, policy.actor_features.features_dim)
    assert torch.equal(policy.values(observations()), values)
    torch.testing.assert_close(distribution.logits.exp(), torch.full((7, 5), 0.2), atol=0.01, rtol=0)
    attention = policy.attention(observations())
    assert attention is None if name == "mlp" else attention.shape == (7, 2, 5)


def test_first_weights_are_orthogonal():
    policy = ActorCritic(ENTITIES, spaces.Discrete(5))
    for layer, gain in [(policy.policy_head, 0.01), (policy.value_head, 1), (policy.actor_features.key, 2**0.5)]:
        gram = layer.weight @ layer.weight.T
        torch.testing.assert_close(gram, gain**2 * torch.eye(len(gram)), atol=1e-5, rtol=1e-4)
        assert layer.bias is None or (layer.bias == 0).all()


def test_other_action_spaces_are_refused():
    with pytest.raises(ValueError, match="Discrete and Box"):
        ActorCritic(ENTITIES, spaces.MultiDiscrete([2, 2]))


def test_categorical_is_torchs():
    logits = torch.randn(6, 4).log_softmax(-1)
    ours, theirs = Categorical(logits, start=2), torch.distributions.Categorical(logits=logits)
    actions = ours.sample(torch.Generator().manual_seed(0))
    assert actions.dtype == torch.int64
    assert ((actions >= 2) & (actions < 6)).all()
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions - 2))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert torch.equal(ours.mode(), logits.argmax(-1) + 2)


def test_samples_follow_the_distribution():
    logits = torch.tensor([0.1, 0.2, 0.7]).log().expand(20_000, 3)
    drawn = Categorical(logits).sample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.bincount() / len(drawn), logits[0].exp(), atol=0.015, rtol=0)


def test_gaussian_is_torchs():
    mean, log_std = torch.randn(6, 2, 3), torch.randn(2, 3)
    ours = Gaussian(mean, log_std)
    theirs = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 2)
    actions = ours.sample(torch.Generator().manual_seed(0))
    assert actions.shape == (6, 2, 3)
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert torch.equal(ours.mode(), mean)


# The student that hears a teacher


def told(advice, rows=4):
    """Observations (rows, 5, 5) of a highway with some of its vehicles there, and the same advice for all."""
    generator = torch.Generator().manual_seed(1)
    seen = torch.rand(rows, 5, 5, generator=generator) * 2 - 1
    seen[:, :, 0] = (torch.rand(rows, 5, generator=generator) > 0.4).float()
    seen[:, 0, 0] = 1
    return {"observation": seen, "advice": torch.tensor(advice).repeat(rows, 1)}


LOUD, NONE = [0.0, 1.0, 0.0, 0.0, 0.0, 0.9, 2.0, 1.0], [0.2] * 5 + [0.0, 0.0, 0.0]


@pytest.fixture
def student():
    torch.manual_seed(0)
    return ActorCritic(spaces.Box(-1, 1, (5, 5)), spaces.Discrete(5), network="tell_drive", shared=True)


def test_without_advice_the_student_is_as_if_there_were_no_teacher(student):
    seen = told(NONE)
    torch.nn.init.normal_(student.actor_features.no_teacher)
    alone, silent = (student(student.perceive(one)) for one in (seen["observation"], seen))
    assert torch.equal(alone.distribution.logits, silent.distribution.logits)
    loud = student.eval()(student.perceive(told(LOUD)))
    assert not torch.allclose(loud.values, silent.values)


def test_attention_to_the_teacher_is_the_last_weight(student):
    weights = student.eval().attention(told(LOUD))
    assert weights.shape == (4, 2, 6)
    torch.testing.assert_close(weights.sum(-1), torch.ones(4, 2))
    absent = told(LOUD)["observation"][:, :, 0] < 0.5
    assert (weights[..., :5].transpose(1, 2)[absent] == 0).all() and (weights[..., 5] > 0).all()
    loud = {**told(LOUD), "advice": told([0.0, 0.0, 0.0, 0.0, 1.0, 0.9, 2.0, 1.0])["advice"]}
    assert not torch.equal(student.attention(loud)[..., 5], weights[..., 5])


def test_a_share_of_the_advice_is_unheard_in_training_and_none_later(student):
    many = told(LOUD, rows=2000)
    heard = student.perceive(many)["heard"]
    assert heard.mean().item() == pytest.approx(0.7, abs=0.04)
    assert (student.eval().perceive(many)["heard"] == 1).all()
    assert (student.perceive(told(NONE))["heard"] == 0).all()


def test_what_is_heard_is_kept_so_that_acting_and_learning_agree(student):
    perceived = student.perceive(told(LOUD, rows=50))
    assert torch.equal(student(perceived).values, student(perceived).values)
    unheard = perceived["heard"] == 0
    torch.testing.assert_close(
        student(perceived).values[unheard], student(told(LOUD, rows=50)["observation"]).values[unheard]
    )


def test_the_students_order_of_the_others_does_not_matter(student):
    seen = told(LOUD)
    order = torch.tensor([0, 3, 1, 4, 2])
    turned = {**seen, "observation": seen["observation"][:, order]}
    ours, theirs = (student.eval()(one) for one in (seen, turned))
    torch.testing.assert_close(ours.distribution.logits, theirs.distribution.logits)


@pytest.mark.parametrize("network", ["attention", "mlp"])
def test_other_networks_leave_advice_alone(network):
    torch.manual_seed(0)
    policy = ActorCritic(spaces.Box(-1, 1, (5, 5)), spaces.Discrete(5), network=network)
    seen = told(LOUD)
    assert torch.equal(policy(seen).values, policy(seen["observation"]).values)


@pytest.mark.parametrize(
    ("space", "actions", "options", "message"),
    [
        (spaces.Box(-1, 1, (5,)), spaces.Discrete(5), {}, "network 'tell_drive' takes a Box"),
        (spaces.Box(-1, 1, (5, 5)), spaces.Box(-1, 1, (2,)), {}, "advice is about Discrete actions"),
        (spaces.Box(-1, 1, (5, 5)), spaces.Discrete(5), {"dropout": 1.5}, r"dropout=1.5: must be in \[0, 1\]"),
        (spaces.Box(-1, 1, (5, 5)), spaces.Discrete(5), {"drop": 0.5}, "did you mean 'dropout'"),
    ],
)
def test_the_student_refuses(space, actions, options, message):
    with pytest.raises(ValueError, match=message):
        ActorCritic(space, actions, network="tell_drive", options=options)
