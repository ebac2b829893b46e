"""The papers whose methods are in jaxnas, and how to cite them.

`REFERENCES` has every one of them by its key; `cite` joins their BibTeX.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from jaxnas.checks import unknown


@dataclass(frozen=True)
class Reference:
    """A publication.

    Attributes:
        key: its name here and in BibTeX.
        authors: first name first.
        title: in full.
        venue: where it appeared, in short.
        year: of the venue.
        url: where it can be read.
        bibtex: its whole entry.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    venue: str
    year: int
    url: str
    bibtex: str

    @property
    def short(self) -> str:
        """Authors, venue and year in a few words, such as "Xu et al., ICML 2021"."""
        first, *others = self.authors
        if len(others) == 1:
            who = f"{first.split()[-1]} and {others[0].split()[-1]}"
        else:
            who = f"{first.split()[-1]} et al." if others else first
        return f"{who}, {self.venue} {self.year}"


Kind = Literal["article", "inproceedings", "misc", "software"]


def _reference(
    key: str, kind: Kind, authors: str, title: str, venue: str, year: int, url: str, **fields: str
) -> Reference:
    """A reference with the BibTeX entry of these fields; `authors` are joined by " and "."""
    every = {"author": authors, "title": f"{{{title}}}", **fields, "year": str(year), "url": url}
    lines = [f"  {name} = {{{value}}}," for name, value in every.items() if value]
    bibtex = "\n".join([f"@{kind}{{{key},", *lines, "}"])
    names = tuple(author.strip("{}") for author in authors.split(" and "))
    return Reference(key, names, title, venue, year, url, bibtex)


def _iclr(key: str, authors: str, title: str, year: int, forum: str) -> Reference:
    url = f"https://openreview.net/forum?id={forum}"
    booktitle = "International Conference on Learning Representations"
    return _reference(key, "inproceedings", authors, title, "ICLR", year, url, booktitle=booktitle)


def _pmlr(
    key: str,
    authors: str,
    title: str,
    venue: Literal["ICML", "UAI"],
    year: int,
    page: str,
    pages: str,
    **fields: str,
) -> Reference:
    """A paper of the Proceedings of Machine Learning Research; `page` as in "v139/xu21m"."""
    booktitle = {
        "ICML": "International Conference on Machine Learning",
        "UAI": "Conference on Uncertainty in Artificial Intelligence",
    }[venue]
    return _reference(
        key,
        "inproceedings",
        authors,
        title,
        venue,
        year,
        f"https://proceedings.mlr.press/{page}.html",
        booktitle=booktitle,
        series="Proceedings of Machine Learning Research",
        volume=page.split("/", maxsplit=1)[0].removeprefix("v"),
        pages=pages,
        **fields,
    )


_ALL = (
    _reference(
        "jaxnas",
        "software",
        "{The jaxnas developers}",
        "jaxnas: zero-shot neural architecture search in JAX",
        "software",
        2026,
        "",
    ),
    _iclr(
        "nas-bench-201",
        "Xuanyi Dong and Yi Yang",
        "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search",
        2020,
        "HJxyZkBKDr",
    ),
    _reference(
        "nats-bench",
        "article",
        "Xuanyi Dong and Lu Liu and Katarzyna Musial and Bogdan Gabrys",
        "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size",
        "TPAMI",
        2022,
        "https://doi.org/10.1109/TPAMI.2021.3054824",
        journal="IEEE Transactions on Pattern Analysis and Machine Intelligence",
        volume="44",
        number="7",
        pages="3634--3646",
        doi="10.1109/TPAMI.2021.3054824",
    ),
    _iclr(
        "darts",
        "Hanxiao Liu and Karen Simonyan and Yiming Yang",
        "DARTS: Differentiable Architecture Search",
        2019,
        "S1eYHoC5FX",
    ),
    _reference(
        "pr-darts",
        "inproceedings",
        "Pan Zhou and Caiming Xiong and Richard Socher and Steven C. H. Hoi",
        "Theory-Inspired Path-Regularized Differential Network Architecture Search",
        "NeurIPS",
        2020,
        "https://arxiv.org/abs/2006.16537",
        booktitle="Advances in Neural Information Processing Systems",
        volume="33",
    ),
    _pmlr(
        "gt-nas",
        "Jingjing Xu and Liang Zhao and Junyang Lin and Rundong Gao and Xu Sun and Hongxia Yang",
        "KNAS: Green Neural Architecture Search",
        "ICML",
        2021,
        "v139/xu21m",
        "11613--11625",
        note="GT-NAS; first submitted as: A Gradient-based Kernel Approach for Efficient "
        "Network Architecture Search",
    ),
    _reference(
        "parameters-scoring",
        "misc",
        "Luca Celotti and Ismael Balafrej and Emmanuel Calvet",
        "Improving Zero-Shot Neural Architecture Search with Parameters Scoring",
        "OpenReview",
        2021,
        "https://paperswithcode.com/paper/improving-zero-shot-neural-architecture",
        howpublished="Submission to the International Conference on Learning Representations, "
        "OpenReview",
    ),
    _pmlr(
        "naswot",
        "Joseph Mellor and Jack Turner and Amos Storkey and Elliot J. Crowley",
        "Neural Architecture Search without Training",
        "ICML",
        2021,
        "v139/mellor21a",
        "7588--7598",
        note="The score of the input Jacobian is that of the first version, arXiv:2006.04647v1",
    ),
    _reference(
        "improved-gradient-nas",
        "misc",
        "Zhexuan Huang",
        "Improved Gradient-Based Neural Architecture Search",
        "slides",
        2019,
        "",
        howpublished="Slides, supervised by Bruno Conche, July 10",
    ),
    _reference(
        "az-nas",
        "inproceedings",
        "Junghyup Lee and Bumsub Ham",
        "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search",
        "CVPR",
        2024,
        "https://arxiv.org/abs/2403.19232",
        booktitle="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
        pages="5893--5903",
    ),
    _iclr(
        "snas",
        "Sirui Xie and Hehui Zheng and Chunxiao Liu and Liang Lin",
        "SNAS: Stochastic Neural Architecture Search",
        2019,
        "rylqooRqK7",
    ),
    _reference(
        "gdas",
        "inproceedings",
        "Xuanyi Dong and Yi Yang",
        "Searching for a Robust Neural Architecture in Four GPU Hours",
        "CVPR",
        2019,
        "https://arxiv.org/abs/1910.04465",
        booktitle="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
        pages="1761--1770",
    ),
    _pmlr(
        "enas",
        "Hieu Pham and Melody Y. Guan and Barret Zoph and Quoc V. Le and Jeff Dean",
        "Efficient Neural Architecture Search via Parameters Sharing",
        "ICML",
        2018,
        "v80/pham18a",
        "4095--4104",
    ),
    _pmlr(
        "rsps",
        "Liam Li and Ameet Talwalkar",
        "Random Search and Reproducibility for Neural Architecture Search",
        "UAI",
        2019,
        "v115/li20c",
        "367--377",
    ),
    _reference(
        "rea",
        "article",
        "Esteban Real and Alok Aggarwal and Yanping Huang and Quoc V. Le",
        "Regularized Evolution for Image Classifier Architecture Search",
        "AAAI",
        2019,
        "https://doi.org/10.1609/aaai.v33i01.33014780",
        journal="Proceedings of the AAAI Conference on Artificial Intelligence",
        volume="33",
        number="01",
        pages="4780--4789",
        doi="10.1609/aaai.v33i01.33014780",
    ),
    _reference(
        "reinforce",
        "article",
        "Ronald J. Williams",
        "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning",
        "Machine Learning",
        1992,
        "https://doi.org/10.1007/BF00992696",
        journal="Machine Learning",
        volume="8",
        pages="229--256",
        doi="10.1007/BF00992696",
    ),
    _pmlr(
        "bohb",
        "Stefan Falkner and Aaron Klein and Frank Hutter",
        "BOHB: Robust and Efficient Hyperparameter Optimization at Scale",
        "ICML",
        2018,
        "v80/falkner18a",
        "1437--1446",
    ),
    _iclr(
        "relax",
        "Will Grathwohl and Dami Choi and Yuhuai Wu and Geoffrey Roeder and David Duvenaud",
        "Backpropagation through the Void: Optimizing Control Variates for Black-Box Gradient "
        "Estimation",
        2018,
        "SyzKd1bCW",
    ),
    _pmlr(
        "ram",
        "Seiya Tokui and Issei Sato",
        "Evaluating the Variance of Likelihood-Ratio Gradient Estimators",
        "ICML",
        2017,
        "v70/tokui17a",
        "3414--3423",
    ),
    _iclr(
        "gumbel-softmax",
        "Eric Jang and Shixiang Gu and Ben Poole",
        "Categorical Reparameterization with Gumbel-Softmax",
        2017,
        "rkE3y85ee",
    ),
    _iclr(
        "concrete",
        "Chris J. Maddison and Andriy Mnih and Yee Whye Teh",
        "The Concrete Distribution: A Continuous Relaxation of Discrete Random Variables",
        2017,
        "S1jE5L5gl",
    ),
    _iclr(
        "l0-regularization",
        "Christos Louizos and Max Welling and Diederik P. Kingma",
        "Learning Sparse Neural Networks through L0 Regularization",
        2018,
        "H1Y8hhg0b",
    ),
)

REFERENCES: Mapping[str, Reference] = MappingProxyType({r.key: r for r in _ALL})
"""Every publication by its key."""


def cite(keys: Iterable[str]) -> str:
    """The BibTeX of publications, each once, in the order in which they are first named.

    Args:
        keys: of `REFERENCES`.

    Raises:
        ValueError: a key is of no publication here.
    """
    wanted = list(dict.fromkeys([keys] if isinstance(keys, str) else keys))
    for key in wanted:
        if key not in REFERENCES:
            raise ValueError(unknown("reference", key, REFERENCES))
    return "\n\n".join(REFERENCES[key].bibtex for key in wanted)
