"""LiteLLM's config.yaml as hypothesis draws it: valid, odd and wrong."""

from typing import Any

from hypothesis import strategies as st

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
NAMES = st.sampled_from(["a", "b", "openai/gpt-5-mini", "*", "nowhere/x"])
NUMBERS = st.sampled_from(
    [0, 1, 2.5, -1, 700, 10**6, 10**400, float("nan"), float("inf"), "30d", "1h", "os.environ/A", True]
)
WORDS = """
model_name litellm_params model_info model api_key api_base weight rpm tpm order timeout num_retries max_tokens mode
max_output_tokens base_model input_cost_per_token fallbacks default_fallbacks model_group_alias max_budget
budget_duration request_timeout master_key global_max_parallel_requests a b custom_llm_provider
"""
KEYS = st.sampled_from(WORDS.split()) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS | NAMES | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


def mostly(usual: st.SearchStrategy[Any], else_: st.SearchStrategy[Any] = VALUES) -> st.SearchStrategy[Any]:
    """Values as they should be, and one in eight as it should not."""
    return st.integers(0, 7).flatmap(lambda drawn: usual if drawn else else_)


MODELS = st.sampled_from(
    ["openai/gpt-5-mini", "gpt-4o-mini", "anthropic/claude-sonnet-4-5", "openai/text-embedding-3-small"]
)
CALLED = st.sampled_from(["a", "b", "c"])
PARAMS = st.fixed_dictionaries(
    {"model": mostly(MODELS)},
    optional=dict.fromkeys(
        ("weight", "rpm", "order", "timeout", "max_retries", "max_tokens", "input_cost_per_token", "api_key"),
        mostly(NUMBERS),
    ),
)
INFO = st.fixed_dictionaries({}, optional={"mode": mostly(st.just("embedding")), "max_output_tokens": NUMBERS})
ENTRIES = st.fixed_dictionaries(
    {"model_name": mostly(CALLED), "litellm_params": mostly(PARAMS)}, optional={"model_info": mostly(INFO)}
)
SECTION = st.fixed_dictionaries(
    {},
    optional={
        "fallbacks": mostly(st.lists(st.dictionaries(CALLED, st.lists(CALLED, max_size=3), max_size=2), max_size=3)),
        "default_fallbacks": mostly(st.lists(CALLED, max_size=2)),
        "model_group_alias": mostly(st.dictionaries(CALLED | KEYS, mostly(CALLED), max_size=3)),
        "max_budget": mostly(st.sampled_from([5, 0.5, 10**6, 10**9])),
        "budget_duration": mostly(st.sampled_from(["30d", "1h", "24h", "7d", "90d", "1mo"])),
        **dict.fromkeys(("num_retries", "timeout", "request_timeout"), mostly(NUMBERS)),
        "global_max_parallel_requests": NUMBERS,
        "cache": mostly(st.booleans()),
        "cache_params": mostly(st.fixed_dictionaries({}, optional={"ttl": NUMBERS, "type": VALUES, "mode": VALUES})),
        "x": VALUES,
    },
)
SECTIONS = ("litellm_settings", "general_settings", "router_settings", "environment_variables")
CONTENT = st.fixed_dictionaries(
    {"model_list": mostly(st.lists(mostly(ENTRIES), min_size=1, max_size=10))},
    optional=dict.fromkeys(SECTIONS, mostly(SECTION)),
)
