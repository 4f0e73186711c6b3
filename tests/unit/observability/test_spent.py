"""What an endpoint has spent: the expressions, computed by hand, and never below the bill of the same work."""

import re
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from scaletozero.observability.spent import Spent, asynchronous_spent, serverless_spent
from scaletozero.spending.costs import InstanceCost, ServerlessCost
from scaletozero.spending.prices import shipped
from scaletozero.spending.traffic import Traffic

TABLE = shipped()
US = "us-east-1"
COMPUTE, DATA = (TABLE.price("sagemaker.serverless", sku, US) for sku in ("gb-second", "data-gb"))
GPU = TABLE.price("sagemaker.hosting", "ml.g5.xlarge", US)


def usd(spent: Spent, **values: float) -> float:
    """What CloudWatch computes of a period: FILL fills what has no data."""
    text = re.sub(r"FILL\((\w+), 0\)", lambda found: repr(values.get(found[1], 0.0)), spent.expression)
    assert re.fullmatch(r"[\d.e+\-*/() ]+", text), text
    return float(eval(text))


def test_a_serverless_endpoint() -> None:
    spent = serverless_spent(2048, COMPUTE, DATA, 5_000)
    assert spent.expression == ("(FILL(work, 0) + FILL(setup, 0)) / 1000000 * 0.00004 + FILL(calls, 0) * 0.00000008")
    assert {name: each.metric for name, each in spent.measures.items()} == {
        "work": "ModelLatency",
        "setup": "ModelSetupTime",
        "calls": "Invocations",
    }
    # 90 s of work and 10 s of starts at $0.00004, and 100 requests of 5,000 bytes.
    assert round(usd(spent, work=90e6, setup=10e6, calls=100), 9) == 0.004008
    assert usd(spent) == 0
    assert "2023-10-09" in spent.sources
    assert "0.00002 USD/GB-s" in spent.sources


def test_an_asynchronous_endpoint() -> None:
    spent = asynchronous_spent(GPU, 3)
    assert spent.expression == "(FILL(running, 0) + 3 * FILL(waking, 0)) / 60 * 1.408"
    # Two instances for 30 minutes, of which one had been awaited for five, as up to three.
    assert round(usd(spent, running=60, waking=5), 6) == round(75 / 60 * 1.408, 6)
    assert spent.measures["running"].namespace == "/aws/sagemaker/Endpoints"
    assert not spent.measures["waking"].by_variant


@given(
    requests=st.integers(1, 10_000),
    seconds=st.decimals("0.001", "60", places=3),
    memory=st.sampled_from([1024, 2048, 3072, 6144]),
)
def test_serverless_work_is_never_counted_below_its_bill(requests: int, seconds: Decimal, memory: int) -> None:
    traffic = Traffic(Decimal(requests), seconds)
    billed = requests * ServerlessCost(memory, 200, COMPUTE, DATA).per_request(traffic)
    spent = serverless_spent(memory, COMPUTE, DATA, traffic.payload_bytes)
    assert usd(spent, work=float(requests * seconds * 1_000_000), calls=requests) >= float(billed) * (1 - 1e-9)


@given(minutes=st.integers(0, 1440), most=st.integers(1, 20))
def test_instances_are_never_counted_below_their_hours(minutes: int, most: int) -> None:
    billed = InstanceCost(GPU, most, 1, 600).hourly.amount * minutes * most / 60
    assert usd(asynchronous_spent(GPU, most), running=minutes * most) >= float(billed) * (1 - 1e-9)
