"""Search strategies, the loop that accounts for their time, and experiments with them."""

from __future__ import annotations

import copy
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas import oracle
from jaxnas import search as s
from jaxnas.search import kernel_density
from jaxnas.search.hyperband import brackets, split
from jaxnas.search.policy_gradient import Adam, score_function, softmax
from jaxnas.spaces import DEFAULT, SPACES, nb201

NB201 = Path(__file__).parents[3] / "shared" / "data" / "nb201.npz"
OPS = nb201.cell_ops()
FUNCTIONS = nb201.representatives()
ARCHS = [nb201.index_to_arch(cell) for cell in range(nb201.NUM_CELLS)]
INDEX = {arch: cell for cell, arch in enumerate(ARCHS)}

STRATEGIES = {
    "random": s.random_search,
    "rea": s.regularized_evolution,
    "reinforce": s.reinforce,
    "bohb": s.bohb,
}


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def asks(strategy: s.Strategy, reward: Callable[[int], float], count: int) -> list[int]:
    """The indices of the first cells that a strategy asks for."""
    cells = [INDEX[next(strategy)]]
    while len(cells) < count:
        cells.append(INDEX[strategy.send(reward(cells[-1]))])
    return cells


def separable(seed: int) -> np.ndarray:
    """A reward that is a sum over edges, [15625], with one best cell."""
    return np.take_along_axis(rng(seed).random((6, 5)).T, OPS.astype(int), axis=0).sum(axis=1)


# The loop: budget, accounting, choice.


@pytest.mark.parametrize(
    ("budget", "archs"),
    [(3, "a"), (6.9, "a"), (7, "ab"), (11.9, "ab"), (12, "abc"), (math.inf, "abc")],
)
def test_no_training_ends_after_the_budget(budget: float, archs: str) -> None:
    seconds = {"a": 3.0, "b": 4.0, "c": 5.0}
    trace = s.search(s.each("abc"), lambda arch: s.Answer(ord(arch), seconds[arch]), budget)
    assert trace.archs == tuple(archs)
    assert trace.seconds == sum(seconds[arch] for arch in archs)
    assert [answer.reward for answer in trace.answers] == list(map(ord, archs))


def test_a_training_that_comes_too_late_is_neither_told_nor_repeated() -> None:
    told, asked = [], []

    def strategy() -> s.Strategy:
        try:
            for arch in map(str, itertools.count()):
                told.append((yield arch))
        finally:
            told.append("closed")

    def query(arch: str) -> s.Answer:
        asked.append(arch)
        return s.Answer(10.0 * int(arch), 2.0)

    assert s.search(strategy(), query, 5).archs == ("0", "1")
    assert asked == ["0", "1", "2"]
    assert told == [0.0, 10.0, "closed"]


def test_a_cell_asked_for_twice_is_paid_for_twice() -> None:
    trace = s.search(s.each("aaa"), lambda _: s.Answer(1.0, 4.0), 9)
    assert trace.archs == ("a", "a")
    assert trace.seconds == 8


def test_best_is_the_first_of_the_highest_rewards() -> None:
    rewards = {"a": 5.0, "b": 7.0, "c": 7.0, "d": 6.0}
    trace = s.search(s.each("abcd"), lambda arch: s.Answer(rewards[arch], 0.0))
    assert trace.best == "b"


@pytest.mark.parametrize(
    ("archs", "answer", "budget", "message"),
    [
        ("a", (1.0, 105.0), 60, "60 s is too small: .* of a, takes 105 s"),
        ("a", (math.nan, 1.0), 60, "a: expected a finite reward .* got reward nan"),
        ("a", (1.0, math.nan), 60, "a: expected .* finite seconds .* nan s"),
        ("a", (1.0, -1.0), 60, "a: expected .* -1 s"),
        ("", (1.0, 1.0), 60, "at least one architecture"),
    ],
)
def test_bad_answers_and_budgets_get_one_line(
    archs: str, answer: tuple[float, float], budget: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        s.search(s.each(archs), lambda _: s.Answer(*answer), budget)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_obeys_the_budget(name: str) -> None:
    seconds = rng(7).uniform(50, 150, nb201.NUM_CELLS)
    query = s.tabular(rng(8).uniform(10, 90, nb201.NUM_CELLS), seconds)
    for seed in range(5):
        trace = s.search(STRATEGIES[name](rng(seed)), query, 3000)
        spent = sum(seconds[INDEX[arch]] for arch in trace.archs)
        assert trace.seconds == pytest.approx(spent, rel=1e-12)
        assert 3000 - 150 < spent <= 3000
        assert trace.answers == tuple(query(arch) for arch in trace.archs)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_finds_the_best_of_a_separable_reward(name: str) -> None:
    queries = {"random": 200_000, "rea": 2000, "reinforce": 4000, "bohb": 2500}[name]
    for seed in (1, 2, 3):
        rewards = separable(seed)
        query = s.tabular(rewards, np.ones(nb201.NUM_CELLS))
        strategy = STRATEGIES[name](rng(seed))
        assert s.search(strategy, query, queries).best == ARCHS[rewards.argmax()]


@pytest.mark.parametrize("name", ["rea", "reinforce", "bohb"])
def test_every_strategy_but_chance_learns(name: str) -> None:
    """What is asked for late is better than a random cell, by far more than chance would have."""
    rewards = separable(4)
    late = [
        rewards[asks(STRATEGIES[name](rng(seed)), rewards.__getitem__, 400)[200:]].mean()
        for seed in range(10)
    ]
    spread = np.std(late, ddof=1) / math.sqrt(len(late))
    assert np.mean(late) - rewards.mean() > 6 * max(spread, rewards.std() / math.sqrt(2000))


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_seed_fixes_every_strategy(name: str) -> None:
    rewards = rng(3).uniform(10, 90, nb201.NUM_CELLS)
    first, again, other = (
        asks(STRATEGIES[name](rng(seed)), rewards.__getitem__, 60) for seed in (1, 1, 2)
    )
    assert first == again != other


# Random search.


def test_random_search_is_uniform() -> None:
    asked = itertools.islice(s.random_search(rng(0)), 156_250)
    counts = np.bincount([INDEX[arch] for arch in asked], minlength=15625)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


# Regularised evolution.


class Script:
    """A generator whose draws are written down beforehand, with the bounds they are drawn in."""

    def __init__(self, *draws: tuple[tuple[int, ...], Any]) -> None:
        self.draws = list(draws)

    def integers(self, *bounds: int, size: int | None = None) -> Any:
        expected, value = self.draws.pop(0)
        assert bounds == expected
        assert size == (None if isinstance(value, int) else len(value))
        return value if isinstance(value, int) else np.array(value)


def test_rea_by_hand() -> None:
    oldest, middle, youngest = 10, 20, 30
    rewards = {oldest: 90.0, middle: 50.0, youngest: 60.0}
    script = Script(
        ((15625,), oldest),
        ((15625,), middle),
        ((15625,), youngest),
        ((3,), [1, 0]),  # the tournament: middle, oldest; oldest wins
        ((1, 4), 2), ((2,), 1), ((1, 5), 3),  # edge 1->2, three ops on
        ((3,), [0, 1]),  # oldest is dead: now middle against youngest, which wins
        ((1, 4), 3), ((3,), 0), ((1, 5), 1),  # edge 0->3, one op on
        ((3,), [2, 2]),  # drawn with replacement: the youngest child alone
        ((1, 4), 1), ((1,), 0), ((1, 5), 4),  # edge 0->1, four ops on
    )  # fmt: skip

    def moved(cell: int, edge: tuple[int, int], by: int) -> int:
        ops = list(nb201.index_to_ops(cell))
        place = nb201.EDGES.index(edge)
        ops[place] = (ops[place] + by) % 5
        return nb201.ops_to_index(ops)

    first = moved(oldest, (1, 2), 3)
    second = moved(youngest, (0, 3), 1)
    third = moved(second, (0, 1), 4)
    rewards |= {first: 10.0, second: 20.0}
    strategy = s.regularized_evolution(script, population_size=3, sample_size=2)  # type: ignore[arg-type]
    asked = asks(strategy, rewards.__getitem__, 6)
    assert asked == [oldest, middle, youngest, first, second, third]
    assert not script.draws


def test_the_first_drawn_wins_a_tie() -> None:
    script = Script(
        ((15625,), 10), ((15625,), 20), ((2,), [1, 0]), ((1, 4), 1), ((1,), 0), ((1, 5), 1)
    )
    strategy = s.regularized_evolution(script, population_size=2, sample_size=2)  # type: ignore[arg-type]
    child = asks(strategy, lambda _: 1.0, 3)[-1]
    assert (OPS[child] != OPS[20]).sum() == 1
    assert (OPS[child] != OPS[10]).sum() > 1


@pytest.mark.parametrize("cell", [0, 6111])
def test_mutations_have_the_benchmarks_probabilities(cell: int) -> None:
    random = rng(cell)
    draws = 20_000
    counts = Counter(INDEX[DEFAULT.mutate(ARCHS[cell], random)] for _ in range(draws))
    expected = {}
    for (edge, (_, node)), op in itertools.product(enumerate(nb201.EDGES), range(5)):
        ops = list(nb201.index_to_ops(cell))
        if ops[edge] != op:
            ops[edge] = op
            expected[nb201.ops_to_index(ops)] = draws / (3 * node * 4)
    assert counts.keys() == expected.keys()
    frequencies = [counts[neighbour] for neighbour in expected]
    assert scipy.stats.chisquare(frequencies, list(expected.values())).pvalue > 1e-3


# REINFORCE.


def log_probability(logits: np.ndarray, ops: Iterable[int]) -> float:
    return float(sum(row[op] - scipy.special.logsumexp(row) for row, op in zip(logits, ops)))  # noqa: B905


def finite_differences(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    gradient = np.empty_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = 1e-5
        gradient[place] = (function(at + step) - function(at - step)) / 2e-5
    return gradient


def test_score_function_is_the_gradient_of_the_log_probability() -> None:
    logits = rng(0).normal(size=(6, 5)) * 3
    for ops in OPS[:20].astype(int):
        by_differences = finite_differences(lambda at, ops=ops: log_probability(at, ops), logits)
        np.testing.assert_allclose(score_function(softmax(logits), ops), by_differences, atol=1e-9)


def test_policy_gradient_is_unbiased_by_enumeration() -> None:
    """E[(R - b) ∇ log π] over all 27 outcomes of three edges is ∇ E[R], whatever the baseline."""
    logits = rng(1).normal(size=(3, 3))
    outcomes = list(itertools.product(range(3), repeat=3))
    rewards = rng(2).uniform(10, 90, len(outcomes))

    def expected_reward(at: np.ndarray) -> float:
        return sum(
            math.exp(log_probability(at, ops)) * reward
            for ops, reward in zip(outcomes, rewards, strict=True)
        )

    for baseline in (0.0, 55.5):
        estimate = sum(
            math.exp(log_probability(logits, ops))
            * (reward - baseline)
            * score_function(softmax(logits), np.array(ops))
            for ops, reward in zip(outcomes, rewards, strict=True)
        )
        np.testing.assert_allclose(estimate, finite_differences(expected_reward, logits), atol=1e-7)


def test_softmax_of_large_logits() -> None:
    logits = np.array([[1000.0, 999.0, -1000.0]])
    np.testing.assert_allclose(softmax(logits), scipy.special.softmax(logits, axis=1), rtol=1e-12)


def test_adam_is_optax_adam(x64: None) -> None:
    optimiser = optax.adam(0.03)
    ours, theirs = np.zeros((6, 5)), jnp.zeros((6, 5))
    adam, state = Adam((6, 5), 0.03), optimiser.init(theirs)
    for step in range(30):
        gradient = rng(step).normal(size=(6, 5)) * 10 ** rng(step, 1).uniform(-6, 2)
        ours = ours + adam.step(gradient)
        updates, state = optimiser.update(-jnp.asarray(gradient), state)
        theirs = optax.apply_updates(theirs, updates)
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_reinforce_step_by_step(x64: None) -> None:
    """The same cells as automatic differentiation, optax and a baseline of past rewards give."""
    rewards = rng(5).uniform(10, 90, nb201.NUM_CELLS)
    asked = asks(s.reinforce(rng(9), learning_rate=0.3), rewards.__getitem__, 60)

    random = rng(9)
    logits = jnp.asarray(1e-3 * random.standard_normal((6, 5)))
    optimiser = optax.adam(0.3)
    state = optimiser.init(logits)
    past: list[float] = []
    for cell in asked:
        cumulative = np.cumsum(jax.nn.softmax(logits, axis=1), axis=1)
        draw = random.random((6, 1))
        ops = [int(np.searchsorted(row[:-1], u)) for row, u in zip(cumulative, draw[:, 0])]  # noqa: B905
        assert cell == nb201.ops_to_index(ops)
        reward, t = rewards[cell], len(past) + 1
        weights = 0.9 ** np.arange(len(past))[::-1]
        advantage = reward - np.average(past, weights=weights) if past else 0.0
        scale = 0.9 * (1 - 0.9 ** (t - 1)) / (1 - 0.9**t)  # as the docstring says

        def loss(at: jax.Array, ops: list[int] = ops, weight: float = scale * advantage) -> Any:
            return -weight * jax.nn.log_softmax(at)[jnp.arange(6), jnp.array(ops)].sum()

        updates, state = optimiser.update(jax.grad(loss)(logits), state)
        logits = optax.apply_updates(logits, updates)
        past.append(reward)
    assert len(set(asked)) > 20


# BOHB.

POINTS = st.integers(1, 9).flatmap(
    lambda n: st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=n, max_size=n)
)
BANDWIDTHS = st.tuples(*[st.floats(0, 2 / 3)] * 3)
THREES = np.full(3, 3)
SPACE = np.array(list(itertools.product(range(3), repeat=3)))


@given(POINTS, BANDWIDTHS)
def test_density_by_its_definition(points: list[tuple[int, ...]], h: tuple[float, ...]) -> None:
    density = kernel_density.KernelDensity(np.array(points), np.array(h), THREES).density(SPACE)
    for at, value in zip(SPACE.tolist(), density, strict=True):
        terms = [
            math.prod(1 - hj if a == b else hj / 2 for a, b, hj in zip(at, point, h, strict=True))
            for point in points
        ]
        assert value == pytest.approx(math.fsum(terms) / len(points), rel=1e-12, abs=1e-300)
    assert (density >= 0).all()
    assert density.sum() == pytest.approx(1, rel=1e-12)


def test_samples_have_the_density() -> None:
    model = kernel_density.KernelDensity(
        np.array([[0, 1, 2], [0, 0, 2], [2, 1, 1]]), np.array([0.3, 0.5, 2 / 3]), THREES
    )
    drawn = model.sample(rng(0), 50_000)
    counts = np.bincount(drawn @ np.array([9, 3, 1]), minlength=27)
    assert scipy.stats.chisquare(counts, 50_000 * model.density(SPACE)).pvalue > 1e-3


def test_bandwidths_are_the_normal_reference_within_bounds() -> None:
    points = np.zeros((20, 6), int)
    points[:, 0] = [0] * 10 + [1] * 10  # σ = 1/2
    points[:, 1] = [0, 4] * 10  # σ = 2, beyond a uniform kernel
    bandwidths = kernel_density.fit(points, np.full(6, 5), 0.3).bandwidths
    assert bandwidths[0] == pytest.approx(1.06 * 0.5 * 20**-0.1)
    assert bandwidths[1] == 0.8
    assert (bandwidths[2:] == 0.3).all()


def test_brackets_by_hand() -> None:
    assert list(brackets(3, 3)) == [[9, 3, 1], [3, 1], [3]]
    assert list(brackets(1, 3)) == [[1]]
    assert list(brackets(5, 3)) == [[81, 27, 9, 3, 1], [27, 9, 3, 1], [9, 3, 1], [6, 2], [5]]


def test_split_by_hand() -> None:
    entries = [(np.full(6, op), float(op)) for op in range(14)]
    assert split(entries[:13], 7) is None
    good, bad = split(entries, 7) or pytest.fail("no model of 14 points")
    assert good[:, 0].tolist() == [13, 12, 11, 10, 9, 8, 7]
    assert bad[:, 0].tolist() == [6, 5, 4, 3, 2, 1, 0]
    good, bad = split([(np.full(6, op), float(op % 50)) for op in range(100)], 7) or pytest.fail("")
    assert len(good) == 15
    assert len(bad) == 85
    assert good[0, 0] == 49  # of equal rewards the earlier first
    assert good[1, 0] == 99


def test_bohb_promotes_the_best_third() -> None:
    rewards = rng(11).permutation(nb201.NUM_CELLS)
    asked = asks(s.bohb(rng(0)), rewards.__getitem__, 20)
    longest, middle, last = asked[:13], asked[13:17], asked[17:]
    assert len(last) == 3

    def ordered(cells: list[int]) -> list[int]:
        return sorted(cells, key=lambda cell: -rewards[cell])

    assert longest[9:12] == ordered(longest[:9])[:3]
    assert longest[12:] == ordered(longest[:9])[:1]
    assert middle[3:] == ordered(middle[:3])[:1]


def test_bohb_asks_for_the_most_promising_draw() -> None:
    """From the 23rd query on, one after the other, by densities written out anew."""
    rewards = rng(12).permutation(nb201.NUM_CELLS).astype(float)
    random = rng(1)
    strategy = s.bohb(random, num_samples=8)
    asked, rung_of, proposals = [INDEX[next(strategy)]], list(_rungs(60)), 0
    while len(asked) < 60:
        before = copy.deepcopy(random)
        asked.append(INDEX[strategy.send(rewards[asked[-1]])])
        place = len(asked) - 1
        seen = [
            [
                cell
                for cell, (rung, _) in zip(asked[:place], rung_of, strict=False)
                if rung == wanted
            ]
            for wanted in (2, 1, 0)
        ]
        enough = [cells for cells in seen if len(cells) >= 14]
        if not rung_of[place][1] or not enough:
            continue
        best_first = sorted(enough[0], key=lambda cell: -rewards[cell])
        count = max(7, int(0.15 * len(best_first)))
        models = [
            kernel_density.KernelDensity(points, np.clip(
                1.06 * points.std(axis=0) * len(points) ** -0.1, 0.3, 0.8), np.full(6, 5))
            for points in (OPS[best_first[:count]], OPS[best_first[count:]])
        ]  # fmt: skip
        assert before.random() >= 0  # the draw of whether to be random
        drawn = models[0].sample(before, 8)
        ratios = [
            models[0].density(row[None])[0] / models[1].density(row[None])[0] for row in drawn
        ]
        assert asked[-1] == nb201.ops_to_index(drawn[int(np.argmax(ratios))])
        proposals += 1
    assert proposals > 15


def _rungs(count: int) -> Iterable[tuple[int, bool]]:
    """Rung of each query, and whether its cell is new."""
    bracket = [(0, True)] * 9 + [(1, False)] * 3 + [(2, False)]
    bracket += [(1, True)] * 3 + [(2, False)] + [(2, True)] * 3
    return itertools.islice(itertools.cycle(bracket), count)


# GT-NAS.


def by_arch(scores: Any) -> s.Score:
    """A score that is known by index."""
    return lambda arch: scores[INDEX[arch]]


def brute_force(sample: list[int], score: dict[int, float], k: int) -> list[int]:
    """The k heads, each the best left after those ahead and their copies are gone."""
    left = [cell for cell in sample if not math.isnan(score[cell])]
    picked: list[int] = []
    while len(picked) < k:
        best = left[0]
        for cell in left:
            if score[cell] > score[best]:
                best = cell
        picked.append(best)
        left = [cell for cell in left if FUNCTIONS[cell] != FUNCTIONS[best]]
    return picked


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 60), st.data())
def test_candidates_are_those_of_brute_force(seed: int, size: int, data: st.DataObject) -> None:
    # Cells of few functions, few values: many copies, ties and NaN.
    members = np.flatnonzero(np.isin(FUNCTIONS, np.unique(FUNCTIONS)[seed % 5000 :][:40]))
    sample = rng(seed).permutation(members)[:size].tolist()
    values = [math.nan, 1.0, 2.0, 3.0]
    score = {cell: values[int(rng(seed, cell).integers(4))] for cell in sample}
    archs, score_of = [ARCHS[cell] for cell in sample], by_arch(score)
    scored = {int(FUNCTIONS[cell]) for cell in sample if not math.isnan(score[cell])}
    if not scored:
        with pytest.raises(ValueError, match="k = 1: expected 1 to 0"):
            s.candidates(archs, score_of, 1)
        return
    k = data.draw(st.integers(1, len(scored)))
    picked = [INDEX[arch] for arch in s.candidates(archs, score_of, k)]
    assert picked == brute_force(sample, score, k)
    assert len({int(FUNCTIONS[cell]) for cell in picked}) == k
    with pytest.raises(ValueError, match=f"expected 1 to {len(scored)}, the different functions"):
        s.candidates(archs, score_of, len(scored) + 1)


def test_gt_nas_trains_the_candidates_and_keeps_the_best() -> None:
    sample = rng(0).permutation(nb201.NUM_CELLS)[:300].tolist()
    scores, rewards = rng(1).random(15625), rng(2).random(15625)
    query = s.tabular(rewards, np.full(15625, 100.0))
    trace = s.search(s.gt_nas([ARCHS[cell] for cell in sample], by_arch(scores), 20), query)
    expected = brute_force(sample, dict(enumerate(scores)), 20)
    assert [INDEX[arch] for arch in trace.archs] == expected
    assert INDEX[trace.best] == max(expected, key=rewards.__getitem__)
    assert trace.seconds == 2000


# Any space.


def test_strategies_search_spaces_whose_entries_differ() -> None:
    """The DARTS space: a reward that counts separable convolutions from the first input."""
    space = SPACES["darts"]

    def query(arch: str) -> s.Answer:
        return s.Answer(float(arch.count("('sep_conv_3x3', 0)")), 1.0)

    for name, strategy in STRATEGIES.items():
        trace = s.search(strategy(rng(0), space), query, 600)
        assert all(space.parse(arch) == arch for arch in set(trace.archs))
        late = np.mean([answer.reward for answer in trace.answers[400:]])
        assert late < 1 if name == "random" else late > 1
        assert trace.archs == s.search(strategy(rng(0), space), query, 600).archs
    with pytest.raises(ValueError, match="a table of the DARTS space: expected a space with off"):
        s.tabular(np.zeros(3), np.zeros(3), space)


# Experiments.


def test_a_run_depends_on_its_number_and_the_seed_alone() -> None:
    query = s.tabular(rng(0).random(15625), np.full(15625, 100.0))
    run = s.searching(s.regularized_evolution, query, 3000)
    few, many, other = (list(s.repeat(run, n, seed)) for n, seed in ((3, 4), (8, 4), (8, 5)))
    assert many[:3] == few
    assert many != other
    assert len({found.arch for found in many}) > 1


def test_summary_by_hand() -> None:
    valid, test = np.zeros((2, 15625))
    valid[:3], test[:3] = (10.0, 20.0, 40.0), (11.0, 21.0, 44.0)
    found = [s.Found(ARCHS[0], 2, 30.0), s.Found(ARCHS[2], 4, 50.0)]
    assert s.summarise("mine", found, valid, test) == s.Summary(
        "mine", 3.0, 40.0, 25.0, 15.0, 27.5, 16.5
    )
    best = s.optimum(valid, -test, ARCHS[:2])
    assert (best.valid, best.test, best.valid_std) == (20.0, -11.0, None)


def test_random_baselines_against_order_statistics() -> None:
    """The expected accuracy of the best by reward of k of N cells drawn without replacement."""
    population = rng(3).permutation(15625)[:500]
    rewards = rng(4).random(15625)
    test = 50 + 20 * rewards + rng(5).normal(size=15625)
    archs = [ARCHS[cell] for cell in population]
    runs = dict(s.baselines(archs, s.tabular(rewards, np.full(15625, 7.0)), 100, (5,)))
    found = list(s.repeat(runs["best of 5 random cells"], 2000, 0))
    assert {(run.queries, run.seconds) for run in found} == {(5, 35.0)}
    rising = population[np.argsort(rewards[population])]
    ways = np.array([math.comb(below, 4) for below in range(500)]) / math.comb(500, 5)
    values = test[[INDEX[run.arch] for run in found]]
    expected = ways @ test[rising]
    assert abs(values.mean() - expected) < 4 * values.std() / math.sqrt(2000)
    ones = test[[INDEX[run.arch] for run in s.repeat(runs["one random cell"], 2000, 0)]]
    assert abs(ones.mean() - test[population].mean()) < 4 * ones.std() / math.sqrt(2000)


def test_params_baselines_by_brute_force() -> None:
    params = nb201.num_params(OPS)
    rewards = rng(6).random(15625)
    query = s.tabular(rewards, np.full(15625, 7.0))
    runs = dict(s.baselines(ARCHS, query, 30, (4,)))
    for number in range(5):
        sample = [INDEX[arch] for arch in s.draw(rng(2, number), ARCHS, 30)]
        assert len(set(sample)) == 30
        four = brute_force(sample, dict(enumerate(params.tolist())), 4)
        found = runs["top 4 of 30 by params"](rng(2, number))
        assert found == (ARCHS[max(four, key=rewards.__getitem__)], 4, 28.0)
        thousand = [INDEX[arch] for arch in s.draw(rng(2, number), ARCHS, 1000)]
        untrained = runs["most params of 1,000, untrained"](rng(2, number))
        assert untrained == (ARCHS[max(thousand, key=params.__getitem__)], 0, 0.0)


def test_baselines_of_a_small_population() -> None:
    query = s.tabular(np.zeros(15625), np.zeros(15625))
    names = [name for name, _ in s.baselines(ARCHS[:50], query, 20, (5,))]
    assert names == ["one random cell", "best of 5 random cells", "top 5 of 20 by params",
                     "most params of 10, untrained"]  # fmt: skip
    with pytest.raises(ValueError, match="a sample of 51 cells: expected 1 to 50"):
        s.draw(rng(0), ARCHS[:50], 51)


def test_other_spaces_have_no_published_figures() -> None:
    assert s.published("cifar10", SPACES["darts"]) == []
    with pytest.raises(ValueError, match="svhn"):
        s.published("svhn", SPACES["darts"])


def test_published_figures_are_complete() -> None:
    for dataset in oracle.DATASETS:
        rows = s.published(dataset)
        assert all(row.source and (row.test or row.valid) for row in rows)
        assert len({row.method for row in rows}) == len(rows)
    with pytest.raises(ValueError, match="svhn"):
        s.published("svhn")


# The real table.


@pytest.fixture(scope="module")
def table() -> oracle.Oracle:
    if not NB201.exists():
        pytest.skip("no shared data here")
    return oracle.read(NB201)


PUBLISHED = {
    "random": "random search",
    "rea": "REA",
    "reinforce": "REINFORCE",
    "bohb": "BOHB",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_searches_on_cifar10_agree_with_the_published(table: oracle.Oracle, name: str) -> None:
    """The published protocol: searched on CIFAR-10, reported on all; within half a deviation."""
    query = s.tabular(table.accuracy("cifar10", "valid", 12), table.seconds("cifar10", 12))
    found = list(s.repeat(s.searching(STRATEGIES[name], query, 12000), 200, 0))
    for dataset in oracle.DATASETS:
        ours = s.summarise(
            name,
            found,
            table.accuracy(dataset, "valid", 200),
            table.accuracy(dataset, "test", 200),
        )
        theirs = next(row for row in s.published(dataset) if row.method == PUBLISHED[name])
        assert abs(ours.valid - theirs.valid) < theirs.valid_std / 2
        assert abs(ours.test - theirs.test) < theirs.test_std / 2
        assert 0.5 < ours.test_std / theirs.test_std < 2


MEASURED = {
    "best of 20 random cells": ((92.97, 0.87), (69.66, 1.60), (42.98, 2.22)),
    "best of 40 random cells": ((93.39, 0.62), (70.41, 1.35), (43.95, 1.66)),
    "top 20 of 300 by params": ((93.81, 0.44), (71.66, 1.11), (45.09, 1.44)),
    "top 40 of 300 by params": ((93.95, 0.26), (71.91, 0.89), (45.41, 1.00)),
    "most params of 10, untrained": ((92.40, None), (68.46, None), (40.32, None)),
}


@pytest.mark.parametrize(("column", "dataset"), list(enumerate(oracle.DATASETS)))
def test_baselines_agree_with_independent_figures(
    table: oracle.Oracle, column: int, dataset: str
) -> None:
    query = s.tabular(table.accuracy(dataset, "valid", 12), table.seconds(dataset, 12))
    test = table.accuracy(dataset, "test", 200)
    runs = dict(s.baselines(ARCHS, query, 300, (20, 40)))
    for name, figures in MEASURED.items():
        mean, deviation = figures[column]
        ours = s.summarise(name, list(s.repeat(runs[name], 300, 0)), test, test)
        # Four deviations of a difference of means of 300 and of some 500 runs.
        assert abs(ours.test - mean) < 4 * ours.test_std * math.sqrt(1 / 300 + 1 / 500)
        assert deviation is None or 0.75 < ours.test_std / deviation < 1.35


def test_optimum_is_the_benchmarks(table: oracle.Oracle) -> None:
    best = [
        s.optimum(table.accuracy(d, "valid", 200), table.accuracy(d, "test", 200), ARCHS)
        for d in oracle.DATASETS
    ]
    assert [round(row.test, 2) for row in best] == [94.37, 73.51, 47.31]
    assert [round(row.valid, 2) for row in best] == [91.61, 73.49, 46.73]
