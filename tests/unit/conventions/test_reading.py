"""A registry file that is wrong is refused, and the message names the place."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tradespan.conventions.reading import load_registry, read_registry
from tradespan.conventions.registry import InvalidDeclaration

ORDER: dict[str, Any] = {
    "groups": [
        {
            "id": "registry.trading.order",
            "type": "attribute_group",
            "display_name": "Orders",
            "brief": "An order.",
            "attributes": [
                {
                    "id": "trading.order.price",
                    "type": "double",
                    "stability": "development",
                    "brief": "The limit.",
                    "examples": [187.15, 187],
                    "annotations": {"fix": {"Price": 44}},
                },
                {
                    "id": "trading.order.side",
                    "type": {
                        "members": [
                            {
                                "id": "buy",
                                "value": "buy",
                                "brief": "Buy.",
                                "stability": "development",
                            }
                        ]
                    },
                    "stability": "development",
                    "brief": "Which way.",
                },
            ],
        },
        {
            "id": "span.trading.order.submitted",
            "type": "span",
            "span_kind": "internal",
            "stability": "development",
            "brief": "An order leaves.",
            "attributes": [
                {"ref": "trading.order.side", "requirement_level": "required"},
                {
                    "ref": "trading.order.price",
                    "requirement_level": {"conditionally_required": "if it has a limit"},
                },
                {"ref": "error.type"},
            ],
        },
    ]
}

DURATION: dict[str, Any] = {
    "id": "metric.trading.order.latency",
    "type": "metric",
    "metric_name": "trading.order.latency",
    "instrument": "histogram",
    "unit": "s",
    "stability": "development",
    "brief": "How long an order took.",
    "annotations": {"bounds": [0.001, 0.002, 0.005]},
    "attributes": [{"ref": "trading.order.side", "requirement_level": "required"}],
}

Edit = Callable[[dict[str, Any]], None]


def edited(edit: Edit) -> dict[str, object]:
    content = copy.deepcopy(ORDER)
    edit(content)
    return {"trading.yaml": content}


def attribute(content: dict[str, Any], index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = content["groups"][0]["attributes"][index]
    return found


def test_a_sound_file_is_read_whole() -> None:
    registry = read_registry({"trading.yaml": ORDER})
    price, side = registry.attributes
    (span,) = registry.of_type("span")

    assert (price.name, price.type, price.fix) == ("trading.order.price", "double", {"Price": 44})
    assert (side.type, [member.value for member in side.members]) == ("string", ["buy"])
    assert [(each.requirement, each.condition) for each in span.references] == [
        ("required", ""),
        ("conditionally_required", "if it has a limit"),
        ("recommended", ""),
    ]


def test_what_this_package_declares_is_sound() -> None:
    registry = load_registry()

    assert len(registry.attributes) > 20
    assert registry.find("trading.order.client_id") is not None
    assert registry.find("trading.order.clientid") is None


def test_an_instrument_is_read_with_its_unit_labels_and_bounds() -> None:
    groups = [*ORDER["groups"], copy.deepcopy(DURATION)]
    (metric,) = read_registry({"trading.yaml": {"groups": groups}}).of_type("metric")

    assert (metric.name, metric.instrument, metric.unit) == (
        "trading.order.latency",
        "histogram",
        "s",
    )
    assert metric.bounds == (0.001, 0.002, 0.005)
    assert [each.name for each in metric.references] == ["trading.order.side"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instrument": "timer"}, "instrument is 'timer', not one of counter, updowncounter"),
        ({"instrument": "counter"}, "annotations.bounds belong to a histogram, and to nothing"),
        ({"annotations": {}}, "annotations.bounds belong to a histogram"),
        ({"annotations": {"bounds": [0.1, 0.1]}}, "annotations.bounds do not rise"),
        ({"annotations": {"bounds": [1, 2]}}, "annotations.bounds is no list of doubles"),
        ({"annotations": {"bound": [0.1]}}, "unknown key 'bound'; did you mean bounds\\?"),
        ({"unit": ""}, "unit is missing"),
        ({"metric_name": "trading.latency"}, "the id is `metric.` and the name"),
        ({"attributes": [{"ref": "trading.id"}]}, "there is no attribute trading.id"),
    ],
)
def test_an_instrument_that_is_wrong_is_refused(change: dict[str, Any], message: str) -> None:
    groups = [*ORDER["groups"], {**copy.deepcopy(DURATION), **change}]

    with pytest.raises(InvalidDeclaration, match=message):
        read_registry({"trading.yaml": {"groups": groups}})


def drop_examples(content: dict[str, Any]) -> None:
    del attribute(content)["examples"]


REFUSED: dict[str, tuple[Edit, str]] = {
    "an unknown key": (
        lambda content: attribute(content).update(breif="x"),
        r"trading\.yaml: registry\.trading\.order: trading\.order\.price: "
        r"unknown key 'breif'; did you mean brief\?",
    ),
    "a missing text": (
        lambda content: attribute(content).update(brief=" "),
        r"trading\.order\.price: brief is missing",
    ),
    "a type that there is not": (
        lambda content: attribute(content).update(type="decimal"),
        "type is 'decimal', not one of string, int",
    ),
    "an example of another type": (
        lambda content: attribute(content).update(examples=["187.15"]),
        "the example '187.15' is no double",
    ),
    "a truth value for a number": (
        lambda content: attribute(content).update(examples=[True]),
        "the example True is no double",
    ),
    "no example": (drop_examples, "examples are missing"),
    "another's namespace": (
        lambda content: attribute(content).update(id="tradingx.order.price"),
        "begins with a namespace of ours",
    ),
    "a name in capitals": (
        lambda content: attribute(content).update(id="trading.order.Price"),
        "a name is lower case and dotted",
    ),
    "a tag that is no number": (
        lambda content: attribute(content).update(annotations={"fix": {"Price": "44"}}),
        "no table of FIX fields",
    ),
    "a name declared twice": (
        lambda content: attribute(content).update(id="trading.order.side"),
        r"trading\.order\.side: declared twice, the attribute: first in trading\.yaml, as double",
    ),
    "a name that is a namespace too": (
        lambda content: attribute(content).update(id="trading.order.side.code"),
        r"trading\.order\.side is an attribute and the namespace of trading\.order\.side\.code",
    ),
    "a reference to nothing": (
        lambda content: content["groups"][1]["attributes"][0].update(ref="trading.order.sides"),
        r"span\.trading\.order\.submitted: there is no attribute trading\.order\.sides",
    ),
    "an unknown requirement": (
        lambda content: content["groups"][1]["attributes"][0].update(requirement_level="must"),
        "requirement_level is 'must'",
    ),
    "a condition that is not said": (
        lambda content: content["groups"][1]["attributes"][0].update(
            requirement_level="conditionally_required"
        ),
        "requirement_level is 'conditionally_required'",
    ),
    "two members of one value": (
        lambda content: attribute(content, 1)["type"]["members"].append(
            {"id": "long", "value": "buy", "brief": "x", "stability": "stable"}
        ),
        "two members with one id or value",
    ),
    "a kind of group that is not read": (
        lambda content: content["groups"][1].update(type="profile"),
        "type is 'profile', not one of attribute_group, span, entity, metric, event",
    ),
    "no groups": (lambda content: content.clear(), r"trading\.yaml: groups is missing"),
}


@pytest.mark.parametrize(("edit", "message"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_is_refused_with_its_place(edit: Edit, message: str) -> None:
    with pytest.raises(InvalidDeclaration, match=message):
        read_registry(edited(edit))


def test_a_file_that_is_no_table_is_refused() -> None:
    with pytest.raises(InvalidDeclaration, match=r"broken\.yaml: is no table"):
        read_registry({"broken.yaml": ["groups"]})
