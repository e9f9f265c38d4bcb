"""The codebook filter against NumPy, at its limits, and over many draws of its dropout."""

import copy
import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.agents.codebook import INDEXINGS, KINDS, CodebookFilter


def codebook(width=12, *, seed=0, dtype=torch.float64, **options):
    torch.manual_seed(seed)
    return CodebookFilter(width, **{"codes": 9, "code_dim": 4, "top_k": 3, **options}).to(dtype)


def features(*shape, seed=1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def in_numpy(net, inputs, keep=None):
    """Features and probabilities by the formulas; of the probabilities only the `keep` largest."""
    numbers = {name: value.double().numpy() for name, value in net.state_dict().items()}
    scores = np.maximum(inputs.numpy(), 0) @ numbers["scores.weight"].T + numbers["scores.bias"]
    powers = np.exp(scores)
    probabilities = powers / powers.sum(-1, keepdims=True)
    if keep is not None:
        bound = np.sort(probabilities, -1)[..., -keep][..., None]
        probabilities = np.where(probabilities >= bound, probabilities, 0)
    return probabilities @ numbers["codes"] @ numbers["output.weight"].T + numbers["output.bias"], probabilities


def test_parameters_of_the_published_module():
    net = CodebookFilter(1574)
    assert sum(p.numel() for p in net.parameters()) == 423_074
    assert {name: tuple(p.shape) for name, p in net.named_parameters()} == {
        "scores.weight": (256, 1574),
        "scores.bias": (256,),
        "codes": (256, 10),
        "output.weight": (1574, 10),
        "output.bias": (1574,),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_codes_at_the_start(kind):
    torch.manual_seed(0)
    codes = CodebookFilter(3, codes=500, code_dim=40, kind=kind).codes.detach()
    assert abs(codes.mean()) < 0.03 and abs(codes.std() - 1) < 0.03
    assert kind != "binary" or (codes.abs() == 1).all()
    assert kind == "binary" or codes.abs().max() > 3


@settings(deadline=None, max_examples=60)
@given(
    leading=st.lists(st.integers(0, 4), max_size=4),
    width=st.integers(1, 20),
    codes=st.integers(1, 20),
    code_dim=st.integers(1, 12),
    dropout=st.floats(0, 0.99),
    kind=st.sampled_from(KINDS),
    indexing=st.sampled_from(INDEXINGS),
    training=st.booleans(),
    data=st.data(),
)
def test_any_leading_shape_and_options(leading, width, codes, code_dim, dropout, kind, indexing, training, data):
    net = CodebookFilter(
        width,
        codes=codes,
        code_dim=code_dim,
        dropout=dropout,
        kind=kind,
        indexing=indexing,
        top_k=data.draw(st.integers(1, codes)),
    ).train(training)
    inputs = features(*leading, width, dtype=torch.float32)
    filtered, probabilities = net(inputs, return_codes=True)
    assert filtered.shape == (*leading, width) and probabilities.shape == (*leading, codes)
    assert torch.isfinite(filtered).all() and (probabilities >= 0).all()
    sums = probabilities.sum(-1)
    assert (sums <= 1 + 1e-5).all()
    if indexing != "topk":
        torch.testing.assert_close(sums, torch.ones_like(sums))


def test_every_row_is_filtered_alone():
    net, inputs = codebook().eval(), features(2, 3, 12)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(net(inputs)[i, j], net(inputs[i, j]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("indexing", "keep"), [("softmax", None), ("topk", 3), ("gumbel", 1)])
def test_equals_numpy(kind, indexing, keep):
    net, inputs = codebook(kind=kind, indexing=indexing).eval(), features(5, 2, 12)
    expected, probabilities = in_numpy(net, inputs, keep)
    if indexing == "gumbel":  # the likeliest code, whole
        probabilities = (probabilities > 0).astype(float)
        expected = probabilities @ net.codes.detach().numpy() @ net.output.weight.detach().numpy().T
        expected = expected + net.output.bias.detach().numpy()
    filtered, told = net(inputs, return_codes=True)
    np.testing.assert_allclose(filtered.detach(), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(told.detach(), probabilities, rtol=1e-10, atol=1e-12)
    assert torch.equal(net.code_probabilities(inputs), told)
    assert torch.equal(net(inputs), filtered)


def test_without_dropout_training_is_as_evaluation():
    for indexing in ("softmax", "topk"):
        net, inputs = codebook(indexing=indexing, dropout=0), features(5, 12)
        assert torch.equal(net(inputs), net.eval()(inputs))


def test_negative_features_count_as_zero():
    net, inputs = codebook().eval(), features(5, 12)
    assert torch.equal(net(inputs), net(inputs.clamp(min=0)))
    assert torch.equal(net(-inputs.abs()), net(torch.zeros(5, 12, dtype=torch.float64)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("indexing", INDEXINGS)
def test_one_hot_scores_give_exactly_that_code(kind, indexing):
    net = codebook(width=9, kind=kind, indexing=indexing, dtype=torch.float32).eval()
    with torch.no_grad():
        net.scores.weight.copy_(torch.eye(9) * 1e4)
        net.scores.bias.zero_()
    filtered, probabilities = net(torch.eye(9), return_codes=True)
    assert torch.equal(probabilities, torch.eye(9))
    assert torch.equal(filtered, net.output(net.codes))


@pytest.mark.parametrize("indexing", INDEXINGS)
def test_mixtures_lie_in_the_box_of_the_codes_and_have_rank_d(indexing):
    net, inputs = codebook(indexing=indexing, code_dim=3).eval(), features(200, 12) * 5
    filtered, probabilities = net(inputs, return_codes=True)
    if indexing != "topk":  # whose sums are below 1
        mixtures = probabilities @ net.codes
        assert (mixtures <= net.codes.amax(0) + 1e-9).all() and (mixtures >= net.codes.amin(0) - 1e-9).all()
    assert torch.linalg.matrix_rank(filtered - net.output.bias) == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("indexing", INDEXINGS)
def test_gradients_reach_all_that_learns(kind, indexing):
    net, inputs = codebook(kind=kind, indexing=indexing), features(64, 12).requires_grad_()
    fixed = net.codes.detach().clone()
    net(inputs).square().sum().backward()
    assert ("codes" in dict(net.named_parameters())) == (kind == "learned")
    for name, parameter in net.named_parameters():
        assert torch.isfinite(parameter.grad).all() and (parameter.grad != 0).any(), name
    assert (inputs.grad != 0).any() and (inputs.grad[inputs < 0] == 0).all()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    optimizer.step()
    assert torch.equal(net.codes, fixed) == (kind != "learned")


@pytest.mark.parametrize("indexing", ["softmax", "topk"])
def test_gradients_are_right(indexing):
    net = codebook(indexing=indexing).eval()
    inputs = features(3, 12).abs().requires_grad_()  # away from the corner of the ReLU
    assert torch.autograd.gradcheck(net, (inputs,))
    assert torch.autograd.gradcheck(lambda codes: torch.func.functional_call(net, {"codes": codes}, inputs), net.codes)


@pytest.mark.parametrize("training", [False, True])
def test_gumbels_gradient_is_that_of_the_softmax(training):
    net = codebook(indexing="gumbel", temperature=0.7).train(training)
    inputs, direction = features(6, 12), features(6, 9, seed=3)
    torch.manual_seed(5)
    net.code_probabilities(inputs).backward(direction)
    told = net.scores.weight.grad.clone()
    net.zero_grad()
    torch.manual_seed(5)
    scores = net.scores(inputs.relu())
    if training:
        scores = scores - torch.empty_like(scores).exponential_().log()
    (scores / 0.7).softmax(-1).backward(direction)
    torch.testing.assert_close(told, net.scores.weight.grad)


def test_gumbel_draws_codes_by_their_probabilities():
    net, inputs = codebook(indexing="gumbel"), features(12).expand(20_000, 12)
    drawn = net.code_probabilities(inputs)
    assert ((drawn == 0) | (drawn == 1)).all() and (drawn.sum(-1) == 1).all()
    expected = codebook(indexing="softmax").code_probabilities(inputs[0])
    torch.testing.assert_close(drawn.mean(0), expected, atol=0.015, rtol=0)


@pytest.mark.parametrize("dropout", [0.1, 0.5])
def test_dropout_of_probabilities_leaves_the_mean(dropout):
    net, inputs = codebook(dropout=dropout), features(12)
    torch.manual_seed(2)
    with torch.no_grad():
        drawn, probabilities = net(inputs.expand(40_000, 12), return_codes=True)
        expected, told = net.eval()(inputs, return_codes=True)
        torch.testing.assert_close(probabilities, told.expand(40_000, 9))  # told without the noise
        # Var of a sum of independent p_k c_k masked and scaled: p_k² c_k² d / (1 - d)
        variance = (told**2 * dropout / (1 - dropout)) @ (net.codes @ net.output.weight.T) ** 2
    torch.testing.assert_close(drawn.var(0), variance, rtol=0.05, atol=0)
    assert ((drawn.mean(0) - expected).abs() < 5 * (variance / 40_000).sqrt()).all()


def test_dropped_probabilities_are_scaled_and_not_normalised():
    net = codebook(width=9, code_dim=9, dropout=0.25)
    with torch.no_grad():
        net.codes.copy_(torch.eye(9))
        net.output.weight.copy_(torch.eye(9))
        net.output.bias.zero_()
        inputs = features(500, 9)
        weights, probabilities = net(inputs, return_codes=True)
    dropped = weights == 0
    assert 0.2 < dropped.double().mean() < 0.3
    torch.testing.assert_close(weights, torch.where(dropped, 0.0, probabilities / 0.75))
    assert weights.sum(-1).min() < 0.9 and weights.sum(-1).max() > 1.1


def test_top_k_is_taken_after_dropout():
    net = codebook(width=9, code_dim=9, indexing="topk", top_k=9 - 1, dropout=0.5)
    with torch.no_grad():
        net.codes.copy_(torch.eye(9))
        net.output.weight.copy_(torch.eye(9))
        net.output.bias.zero_()
        weights = net(features(2000, 9))
    # 8 of 9 are kept: had the top 8 been taken first, the least likely code would never count
    least = net.eval().scores(features(2000, 9).relu()).argmin(-1, keepdim=True)
    assert (weights.gather(-1, least) > 0).double().mean() > 0.4


@pytest.mark.parametrize("indexing", INDEXINGS)
def test_evaluation_is_certain_and_training_follows_the_seed(indexing):
    net, inputs = codebook(indexing=indexing), features(64, 12)
    torch.manual_seed(3)
    first = net(inputs)
    assert not torch.equal(net(inputs), first)
    torch.manual_seed(3)
    assert torch.equal(net(inputs), first)
    net.eval()
    state = torch.get_rng_state()
    assert torch.equal(net(inputs), net(inputs))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", KINDS)
def test_state_survives(kind):
    net, other, inputs = codebook(kind=kind).eval(), codebook(kind=kind, seed=9).eval(), features(4, 12)
    assert not torch.equal(net(inputs), other(inputs))
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(net(inputs), other(inputs))
    assert torch.equal(copy.deepcopy(net)(inputs), net(inputs))
    assert set(net.state_dict()) == {"codes", "scores.weight", "scores.bias", "output.weight", "output.bias"}


def test_codes_of_another_shape_are_refused():
    net = codebook()
    for options in ({"code_dim": 5}, {"codes": 8}):
        wrong = codebook(**options)
        shape = str(tuple(wrong.codes.shape)).replace("(", r"\(").replace(")", r"\)")
        for place in (net, torch.nn.Sequential(net)):
            state = {("" if place is net else "0.") + name: value for name, value in wrong.state_dict().items()}
            with pytest.raises(ValueError, match=rf"codes of shape {shape}.*\(9, 4\)"):
                place.load_state_dict(state)
        broken = copy.deepcopy(net)
        broken.codes = wrong.codes
        with pytest.raises(ValueError, match=rf"codes of shape {shape}.*\(9, 4\)"):
            broken(features(2, 12))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width=0: must be a whole number at least 1"),
        ({"codes": 0}, r"codes=0: must be a whole number in \[1, 65536\]"),
        ({"codes": 2.0}, "codes=2.0: must be a whole number"),
        ({"codes": True}, "codes=True: must be a whole number"),
        ({"code_dim": 0}, r"code_dim=0: must be a whole number in \[1, 4096\]"),
        ({"indexing": "topk", "codes": 8, "top_k": 9}, r"top_k=9: must be a whole number in \[1, 8\]"),
        ({"top_k": 0}, "top_k=0: must be a whole number"),
        ({"dropout": 1.0}, r"dropout=1.0: must be in \[0, 1\)"),
        ({"dropout": -0.1}, r"dropout=-0.1: must be in \[0, 1\)"),
        ({"dropout": float("nan")}, r"dropout=nan: must be in \[0, 1\)"),
        ({"kind": "lerned"}, "unknown kind of codebook 'lerned'; did you mean 'learned'"),
        ({"indexing": "top"}, "unknown indexing of codebook 'top'; did you mean 'topk'"),
        ({"temperature": 0.0}, "temperature=0.0: must be positive and finite"),
        ({"temperature": float("inf")}, "temperature=inf: must be positive and finite"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        CodebookFilter(**{"width": 12, **options})


def test_refuses_features_of_another_width():
    for shape in ((3, 11), (12, 13), ()):
        with pytest.raises(ValueError, match=r"the filter takes \(\.\.\., 12\)"):
            codebook()(features(*shape))
