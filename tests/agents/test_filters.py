"""The filters by name: the codebook's controls against NumPy, and what holds for all of them."""

import copy
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from foveal.agents.code_usage import code_usage
from foveal.agents.filters import FILTERS, auxiliary_losses, check_filter, make_filter
from foveal.agents.options import options_of

PARAMETERS = {
    "none": 0,
    "dropout": 0,
    "layer_norm": 3_148,
    "neck": 33_064,
    "twin": 423_074,
    "wide": 807_718,
    "attention": 422_212,
    "vq": 33_064,
    "codebook": 423_074,
}
WITH_CODES = ("wide", "vq", "codebook")
SMALL = {
    "neck": {"code_dim": 3},
    "twin": {"codes": 7, "code_dim": 3},
    "wide": {"codes": 9},
    "attention": {"tokens": 3, "units": 8, "heads": 2, "code_dim": 3},
    "vq": {"codes": 7, "code_dim": 3},
    "codebook": {"codes": 7, "code_dim": 3},
}


def small(name, width=11, *, seed=0, dtype=torch.float64, **options):
    torch.manual_seed(seed)
    return make_filter(name, width, {**SMALL.get(name, {}), **options}).to(dtype)


def features(*shape, seed=1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def numbers(net):
    return {name: value.double().numpy() for name, value in net.state_dict().items()}


def softmax(scores):
    powers = np.exp(scores)
    return powers / powers.sum(-1, keepdims=True)


def test_parameters_are_those_told():
    assert list(PARAMETERS) == list(FILTERS)
    for name, count in PARAMETERS.items():
        assert sum(p.numel() for p in make_filter(name, 1574).parameters()) == count, name
        described = FILTERS[name].__doc__
        assert ("No parameters" if count == 0 else f"{count:,}") in described, name


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12))
def test_the_twin_has_the_codebooks_parameters_at_any_size(width, codes, code_dim):
    sizes = {"codes": codes, "code_dim": code_dim}
    twin, codebook = make_filter("twin", width, sizes), make_filter("codebook", width, sizes)
    assert sum(p.numel() for p in twin.parameters()) == sum(p.numel() for p in codebook.parameters())


@pytest.mark.parametrize("name", FILTERS)
@settings(deadline=None, max_examples=15)
@given(leading=st.lists(st.integers(0, 4), max_size=3), width=st.integers(3, 20), training=st.booleans())
def test_any_leading_shape(name, leading, width, training):
    net = small(name, width, dtype=torch.float32).train(training)
    filtered = net(features(*leading, width, dtype=torch.float32))
    assert filtered.shape == (*leading, width) and filtered.dtype == torch.float32
    assert torch.isfinite(filtered).all()
    assert all(torch.isfinite(value).all() for value in net.state_dict().values())


@pytest.mark.parametrize("name", FILTERS)
def test_every_row_is_filtered_alone(name):
    net, inputs = small(name).eval(), features(2, 3, 11)
    filtered = net(inputs)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(filtered[i, j], net(inputs[i, j]))


@pytest.mark.parametrize("name", FILTERS)
def test_gradients_reach_every_parameter_and_the_features(name):
    net, inputs = small(name), features(32, 11).requires_grad_()
    (net(inputs) * features(32, 11, seed=2)).sum().backward()
    for parameter_name, parameter in net.named_parameters():
        assert torch.isfinite(parameter.grad).all() and (parameter.grad != 0).any(), parameter_name
    assert torch.isfinite(inputs.grad).all() and (inputs.grad != 0).any(-1).all()


@pytest.mark.parametrize("name", FILTERS)
def test_evaluation_is_certain_and_changes_nothing(name):
    net, inputs = small(name).eval(), features(32, 11)
    before, random = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    assert torch.equal(net(inputs), net(inputs))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


@pytest.mark.parametrize("name", ["dropout", "twin", "wide", "codebook"])
def test_dropout_is_on_in_training_and_can_be_turned_off(name):
    inputs = features(32, 11)
    noisy, quiet = small(name), small(name, dropout=0)
    assert not torch.equal(noisy(inputs), noisy(inputs))
    torch.manual_seed(4)
    first = noisy(inputs)
    torch.manual_seed(4)
    assert torch.equal(noisy(inputs), first)
    assert torch.equal(quiet(inputs), noisy.eval()(inputs))


@pytest.mark.parametrize("name", FILTERS)
def test_state_survives(name):
    net, other, inputs = small(name), small(name, seed=5), features(6, 11)
    net(features(50, 11, seed=3))  # moves what moves of itself
    net.eval(), other.eval()
    assert torch.equal(net(inputs), other(inputs)) == (PARAMETERS[name] == 0 or name == "layer_norm")
    other.load_state_dict(net.state_dict())
    assert torch.equal(net(inputs), other(inputs))


@pytest.mark.parametrize(("name", "rank"), [("neck", 3), ("twin", 3), ("attention", 3), ("vq", 3), ("codebook", 3)])
def test_the_neck_is_three_numbers(name, rank):
    net, inputs = small(name).eval(), 3 * features(200, 11)
    outputs = net(inputs).detach()
    assert torch.linalg.matrix_rank(outputs - outputs.mean(0), rtol=1e-9) == rank


def test_the_wide_one_has_no_neck():
    outputs = small("wide").eval()(3 * features(200, 11)).detach()
    assert torch.linalg.matrix_rank(outputs - outputs.mean(0), rtol=1e-9) == 9 - 1  # nine probabilities, summing to 1


def test_identity_dropout_and_layer_norm():
    inputs = features(5, 11)
    assert torch.equal(small("none")(inputs), inputs)
    dropped = small("dropout", dropout=0.5)(features(400, 11))
    kept = dropped != 0
    assert 0.4 < kept.double().mean() < 0.6
    torch.testing.assert_close(dropped[kept], 2 * features(400, 11)[kept])
    values = inputs.numpy()
    expected = (values - values.mean(-1, keepdims=True)) / np.sqrt(values.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(small("layer_norm")(inputs).detach(), expected, rtol=1e-10)


def test_neck_twin_and_wide_equal_numpy():
    inputs = features(5, 11)
    x = inputs.numpy()
    neck, twin, wide = (small(name).eval() for name in ("neck", "twin", "wide"))
    w = numbers(neck)
    expected = (x @ w["0.weight"].T + w["0.bias"]) @ w["1.weight"].T + w["1.bias"]
    np.testing.assert_allclose(neck(inputs).detach(), expected, rtol=1e-10)
    w = numbers(twin)
    hidden = np.maximum(np.maximum(x, 0) @ w["1.weight"].T + w["1.bias"], 0)
    expected = hidden @ w["4.weight"].T @ w["5.weight"].T + w["5.bias"]
    np.testing.assert_allclose(twin(inputs).detach(), expected, rtol=1e-10)
    w = numbers(wide)
    probabilities = softmax(np.maximum(x, 0) @ w["scores.weight"].T + w["scores.bias"])
    filtered, told = wide(inputs, return_codes=True)
    np.testing.assert_allclose(told.detach(), probabilities, rtol=1e-10)
    expected = probabilities @ w["output.weight"].T + w["output.bias"]
    np.testing.assert_allclose(filtered.detach(), expected, rtol=1e-10)


@pytest.mark.parametrize("tokens", [1, 3, 4])
def test_attention_equals_numpy(tokens):
    net, inputs = small("attention", tokens=tokens).eval(), features(5, 11)
    w, expected = numbers(net), []
    for x in np.maximum(inputs.numpy(), 0):
        pieces = np.array_split(x, tokens)
        embedded = np.stack([w[f"embeddings.{i}.weight"] @ p + w[f"embeddings.{i}.bias"] for i, p in enumerate(pieces)])
        projected = embedded @ w["queries_keys_values.weight"].T + w["queries_keys_values.bias"]
        query, key, value = projected[:, :8], projected[:, 8:16], projected[:, 16:]
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            attention = softmax(query[:, head] @ key[:, head].T / np.sqrt(4))
            heads.append(attention @ value[:, head])
        mixed = embedded + np.concatenate(heads, -1) @ w["combine.weight"].T + w["combine.bias"]
        neck = w["neck.weight"] @ mixed.ravel() + w["neck.bias"]
        expected.append(w["output.weight"] @ neck + w["output.bias"])
    np.testing.assert_allclose(net(inputs).detach(), expected, rtol=1e-9)


def test_vq_takes_the_nearest_code_and_passes_the_gradient_straight():
    net, inputs = small("vq", dtype=torch.float32).eval(), features(40, 11, dtype=torch.float32)
    hidden = net.input(inputs.relu()).detach().numpy()
    codes = net.quantizer.codebook.numpy()
    nearest = ((hidden[:, None] - codes) ** 2).sum(-1).argmin(-1)
    filtered, told = net(inputs, return_codes=True)
    np.testing.assert_array_equal(told.argmax(-1), nearest)
    assert torch.equal(told, net.code_probabilities(inputs)) and (told.sum(-1) == 1).all()
    torch.testing.assert_close(filtered, net.output(torch.from_numpy(codes[nearest])))
    net.train()
    inputs.requires_grad_()
    net(inputs).sum().backward()
    straight = torch.ones(40, 11) @ net.output.weight @ net.input.weight * (inputs > 0)
    torch.testing.assert_close(inputs.grad, straight.detach())


def test_vq_moves_its_codes_in_updates_only():
    net, inputs = small("vq", dtype=torch.float32), features(200, 11, dtype=torch.float32)
    before = net.quantizer.codebook.clone()
    net.eval()(inputs)
    net.train()
    with torch.no_grad():
        net(inputs)  # a rollout in training mode
    net.code_probabilities(inputs)
    assert torch.equal(net.quantizer.codebook, before)
    hidden = net.input(inputs.relu()).detach()
    places = net.code_probabilities(inputs)
    sizes = 0.99 * torch.ones(7) + 0.01 * places.sum(0)
    sums = 0.99 * before + 0.01 * places.T @ hidden
    net(inputs)
    torch.testing.assert_close(net.quantizer.codebook, sums / sizes[:, None], rtol=1e-3, atol=1e-5)


def test_vq_commitment_is_an_auxiliary_loss_taken_once():
    net, inputs = small("vq", dtype=torch.float32, commitment=0.5), features(40, 11, dtype=torch.float32)
    policy = nn.Sequential(nn.Linear(11, 11), net)
    assert auxiliary_losses(policy)["auxiliary_loss"] == 0
    codes = net.quantizer.codebook.clone()
    policy(inputs)
    (name, loss), *more = auxiliary_losses(policy).items()
    hidden = net.input(policy[0](inputs).relu())
    expected = 0.5 * (codes[((hidden[:, None] - codes) ** 2).sum(-1).argmin(-1)] - hidden).square().mean()
    torch.testing.assert_close(loss, expected)
    assert name == "auxiliary_loss" and not more
    loss.backward()
    assert (net.input.weight.grad != 0).any() and net.output.weight.grad is None
    assert auxiliary_losses(policy) == {"auxiliary_loss": torch.zeros(())}
    with torch.no_grad():
        policy(inputs)  # a rollout in training mode
    assert auxiliary_losses(policy)["auxiliary_loss"] == 0
    policy.eval()(inputs)
    assert auxiliary_losses(policy)["auxiliary_loss"] == 0
    policy.train()(inputs)
    assert auxiliary_losses(copy.deepcopy(policy))["auxiliary_loss"] == 0  # a copy has no graph
    assert auxiliary_losses(policy)["auxiliary_loss"] > 0
    assert auxiliary_losses(nn.Sequential(small("codebook"))) == {}


def test_vq_without_commitment_has_no_loss():
    net = small("vq", dtype=torch.float32, commitment=0)
    net(features(5, 11, dtype=torch.float32))
    assert auxiliary_losses(net)["auxiliary_loss"] == 0


def test_vq_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vector_quantize_pytorch", None)
    with pytest.raises(ImportError, match=r"pip install 'foveal\[vq\]'"):
        make_filter("vq", 11)
    check_filter("vq", {"codes": 8})  # a configuration can be read without it
    with pytest.raises(ValueError, match="decay"):
        check_filter("vq", {"decay": 1.5})


@pytest.mark.parametrize("name", WITH_CODES)
def test_filters_with_codes_tell_their_probabilities(name):
    net, inputs = small(name, dtype=torch.float32).eval(), features(60, 11, dtype=torch.float32)
    _, probabilities = net(inputs, return_codes=True)
    assert probabilities.shape == (60, SMALL[name]["codes"])
    assert torch.equal(probabilities, net.code_probabilities(inputs))
    assert 1 <= code_usage(probabilities).effective <= SMALL[name]["codes"] + 1e-6
    assert not any(hasattr(small(other), "code_probabilities") for other in FILTERS if other not in WITH_CODES)


@pytest.mark.parametrize("name", ["neck", "twin", "wide", "attention", "vq", "codebook"])
def test_each_learns_to_tell_two_inputs_apart(name):
    torch.manual_seed(0)
    net = make_filter(name, 6, {"tokens": 2} if name == "attention" else None)
    inputs = torch.tensor([[1.0, 0, 2, 0, 0, 1], [0, 1, 0, 2, 1, 0]]).repeat(32, 1)
    targets = torch.tensor([[1.0] * 6, [-1.0] * 6]).repeat(32, 1)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(300):
        loss = (net(inputs) - targets).square().mean() + sum(auxiliary_losses(net).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (net.eval()(inputs) - targets).square().mean() < 0.05


def test_options_are_told_and_checked_without_drawing():
    random = torch.get_rng_state()
    for name in FILTERS:
        options = options_of("filter", FILTERS, name)
        assert all(type(value) in (bool, int, float, str) for value in options.values())
        check_filter(name, options)
        check_filter(name, {})
    check_filter("codebook", {"dropout": 0, "temperature": 1})  # whole numbers where fractions are meant
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("codebok", {}, "unknown filter 'codebok'; did you mean 'codebook'?"),
        (None, {}, "unknown filter None"),
        ("codebook", {"code": 8}, "filter 'codebook' has no option 'code'; did you mean 'codes'?"),
        ("none", {"codes": 8}, "filter 'none' has no option 'codes'; it takes none"),
        ("neck", {"width": 8}, "filter 'neck' has no option 'width'"),
        ("codebook", {"codes": 8.0}, "codes=8.0: must be int, got float"),
        ("codebook", {"codes": True}, "codes=True: must be int, got bool"),
        ("codebook", {"dropout": "0.1"}, "dropout='0.1': must be float, got str"),
        ("codebook", {"dropout": False}, "dropout=False: must be float, got bool"),
        ("codebook", {"kind": 1}, "kind=1: must be str, got int"),
        ("codebook", {"kind": "bianry"}, "did you mean 'binary'"),
        ("codebook", {"codes": 10**9}, "codes=1000000000"),
        ("codebook", {"codes": 8, "indexing": "topk"}, r"top_k=16: must be .* in \[1, 8\]"),
        ("dropout", {"dropout": 1.0}, r"dropout=1.0: must be in \[0, 1\)"),
        ("twin", {"dropout": -1}, "dropout=-1"),
        ("twin", {"code_dim": 0}, "code_dim=0"),
        ("wide", {"codes": 0}, "codes=0"),
        ("neck", {"code_dim": 5000}, r"code_dim=5000: must be .* in \[1, 4096\]"),
        ("attention", {"heads": 3}, "heads=3: must divide units=172"),
        ("attention", {"tokens": 0}, "tokens=0"),
        ("vq", {"commitment": -1.0}, "commitment=-1.0"),
        ("vq", {"decay": 1.0}, r"decay=1.0: must be in \(0, 1\)"),
    ],
)
def test_refuses(name, options, message):
    for refuse in (check_filter, lambda name, options: make_filter(name, 11, options)):
        with pytest.raises(ValueError, match=message):
            refuse(name, options)


def test_refuses_widths():
    for width in (0, -1, 2.0, True):
        for name in FILTERS:
            with pytest.raises(ValueError, match=f"width={width}: must be a whole number at least 1"):
                make_filter(name, width)
    with pytest.raises(ValueError, match=r"tokens=8: must be a whole number in \[1, 5\]"):
        make_filter("attention", 5)
    for name in ("wide", "attention", "vq", "codebook"):
        with pytest.raises(ValueError, match=r"the filter takes \(\.\.\., 11\)"):
            small(name)(features(3, 12))
