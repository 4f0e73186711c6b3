"""The fields of LiteLLM's `config.yaml` to which nothing here corresponds, and why.

Source: LiteLLM's page on all settings (docs.litellm.ai/docs/proxy/config_settings), read on 2026-11-29.
"""

from __future__ import annotations

from typing import TypeAlias

Reasons: TypeAlias = dict[str, tuple[str, bool]]
"""Key -> why it has no counterpart, and whether safety, money or the place of data would differ."""


def _all(reason: str, *keys: str, important: bool = False) -> Reasons:
    return dict.fromkeys(keys, (reason, important))


_LOGS = "no callbacks: the gateway writes usage, and no prompts, to its log and its ledger"
_REQUEST = "it stands in the request"
_CACHE = "how answers are kept is a model's `cache` (docs/gateway.md)"
_DATABASE = "the ledger is a table of the environment"
_KEYS = "keys and teams are not in the file: declare customers, and make their keys with `scaletozero customers key`"
_MASTER = "never copied: `scaletozero customers key` makes keys"
_PRICES = "a price is a row of genai-prices"
_CAPS = "declare a customer with `cap_usd_per_month` for each"
_PLACE = "declare the environment's `residency`"
_SHARED = "targets share the requests by `weight`"
_SERVER = "a setting of LiteLLM's own program"
_FILTER = "the gateway does not inspect contents"
_COOLS = "a target is left alone after five failures in succession"

PARAMS: Reasons = {
    **_all(_REQUEST, "temperature", "top_p", "top_k", "n", "stop", "seed", "presence_penalty", "frequency_penalty"),
    **_all(_REQUEST, "response_format", "tools", "tool_choice", "reasoning_effort", "thinking", "extra_body", "user"),
    **_all(_REQUEST, "parallel_tool_calls", "logit_bias", "service_tier", "verbosity", "dimensions"),
    **_all("the gateway sends its own headers", "extra_headers", "headers", "default_headers", "organization"),
    **_all("paths have no version here", "api_version"),
    **_all("a provider is spoken to with a key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
    **_all("a provider is spoken to with a key", "aws_profile_name", "aws_role_name", "aws_session_name"),
    **_all("a provider is spoken to with a key", "aws_web_identity_token", "vertex_credentials", "azure_ad_token"),
    **_all("a provider is spoken to with a key", "tenant_id", "client_id", "client_secret", "vertex_project"),
    **_all("a provider is spoken to with a key", "litellm_credential_name"),
    **_all(_PLACE, "aws_region_name", "vertex_location", "region_name", "aws_bedrock_runtime_endpoint", important=True),
    **_all("a provider's own limit makes the gateway ask the next target", "tpm", "rpm", "max_parallel_requests"),
    **_all(f"a target has no cap; {_CAPS}", "max_budget", "budget_duration", "provider_budget_config", important=True),
    **_all("`seconds` is the time until a stream begins", "stream_timeout"),
    **_all(_COOLS, "cooldown_time", "allowed_fails"),
    **_all("no field is left out silently", "drop_params", "additional_drop_params", "allowed_openai_params"),
    **_all(_PRICES, "input_cost_per_second", "output_cost_per_second", "input_cost_per_image", important=True),
    **_all(_PRICES, "cache_read_input_token_cost", "cache_creation_input_token_cost", important=True),
    **_all("customers name their models", "tags"),
    **_all(_LOGS, "success_callback", "failure_callback", "turn_off_message_logging"),
    **_all(_FILTER, "guardrails", important=True),
    **_all(_SERVER, "use_in_pass_through", "mock_response", "use_litellm_proxy", "merge_reasoning_content_in_choices"),
}
"""Of `litellm_params`."""

INFO: Reasons = {
    **_all("a target has no name of its own", "id", "db_model", "litellm_provider"),
    **_all("it describes the model", "max_input_tokens", "description", "supported_environments", "metadata"),
    **_all(_PLACE, "region_name", important=True),
    **_all("customers name their models", "access_groups", "team_id", "team_public_model_name", "tags", important=True),
    **_all("an endpoint is asked by the first request", "health_check_model", "disable_background_health_check"),
}
"""Of `model_info`, beside `supports_*`."""

ROUTER: Reasons = {
    **_all("limits are counted in the process", "redis_host", "redis_port", "redis_password", "redis_url", "redis_db"),
    **_all(_COOLS, "allowed_fails", "cooldown_time", "disable_cooldowns", "allowed_fails_policy"),
    **_all("an overloaded target is asked again `retries` times", "retry_policy", "model_group_retry_policy"),
    **_all("a wrong request is answered, and no other model is asked", "context_window_fallbacks"),
    **_all("a wrong request is answered, and no other model is asked", "content_policy_fallbacks", "max_fallbacks"),
    **_all("the provider refuses what is too long", "enable_pre_call_checks"),
    **_all("a target has no limits; a customer has `requests_per_minute`", "optional_pre_call_checks", important=True),
    **_all(_SHARED, "routing_strategy_args", "model_group_affinity_config"),
    **_all("customers name their models", "enable_tag_filtering", "tag_filtering_match_any", "tag_routing_prefix"),
    **_all(_CACHE, "cache_responses", "caching_groups", "cache_kwargs", "client_ttl"),
    **_all(f"a target has no cap; {_CAPS}", "provider_budget_config", important=True),
    **_all("a request waits for nothing before the gateway", "retry_after", "default_priority", "polling_interval"),
    **_all("`seconds` is the time until a stream begins", "stream_timeout"),
    **_all("concurrency is a customer's", "default_max_parallel_requests", "max_parallel_requests", important=True),
    **_all(_REQUEST, "default_litellm_params"),
    **_all(_LOGS, "set_verbose", "debug_level", "alerting_config"),
}
"""Of `router_settings`."""

LITELLM: Reasons = {
    **_all(_LOGS, "success_callback", "failure_callback", "callbacks", "service_callback", "service_callbacks"),
    **_all(_LOGS, "turn_off_message_logging", "redact_user_api_key_info", "langfuse_default_tags", "json_logs"),
    **_all(
        _LOGS, "set_verbose", "request_correlation_in_logs", "store_audit_logs", "telemetry", "return_response_headers"
    ),
    **_all(
        _LOGS, "langfuse_enable_update_trace_keys", "prometheus_metrics_config", "custom_prometheus_metadata_labels"
    ),
    **_all(_LOGS, "disable_end_user_cost_tracking", "enable_end_user_cost_tracking_prometheus_only"),
    **_all(_CACHE, "cache", "cache_params", "enable_redis_auth_cache"),
    **_all("no field is left out silently", "drop_params", "modify_params", "add_function_to_prompt"),
    **_all(_PRICES, "cost_discount_config", "cost_margin_config", important=True),
    **_all(_CAPS, "max_internal_user_budget", "default_max_internal_user_budget", important=True),
    **_all(_CAPS, "internal_user_budget_duration", "max_end_user_budget", "max_end_user_budget_id", important=True),
    **_all(_CAPS, "default_internal_user_params", "default_team_params", "default_key_generate_params", important=True),
    **_all(_CAPS, "upperbound_key_generate_params", important=True),
    **_all("caps begin anew at midnight in UTC", "budget_reset_time", "timezone"),
    **_all(_KEYS, "default_team_settings", "key_generation_settings", "max_ui_session_budget"),
    **_all(_KEYS, "enable_key_alias_format_validation", "overwrite_user_with_key_hash"),
    **_all(_FILTER, "guardrails", "content_policy_settings", "banned_keywords_list", important=True),
    **_all(_FILTER, "skip_system_message_in_guardrail", "skip_tool_message_in_guardrail"),
    **_all("a wrong request is answered, and no other model is asked", "context_window_fallbacks"),
    **_all("a wrong request is answered, and no other model is asked", "content_policy_fallbacks"),
    **_all(_COOLS, "allowed_fails", "cooldown_time"),
    **_all("certificates of providers are always verified", "ssl_verify"),
    **_all(_SERVER, "force_ipv4", "http2", "disable_aiohttp_transport", "enable_preview_features"),
    **_all(_SERVER, "disable_hf_tokenizer_download", "disable_stop_sequence_limit", "enable_json_schema_validation"),
    **_all(_SERVER, "disable_add_transform_inline_image_block", "route_all_chat_openai_to_responses"),
    **_all(_SERVER, "use_chat_completions_url_for_anthropic_messages", "disable_copilot_system_to_assistant"),
    **_all("the gateway has no such route", "mcp_aliases", "require_managed_files", "user_url_validation"),
    **_all("the gateway has no such route", "user_url_allowed_hosts", "public_model_groups"),
}
"""Of `litellm_settings`."""

GENERAL: Reasons = {
    **_all(_MASTER, "master_key", "drain_endpoint_token"),
    **_all(_DATABASE, "database_url", "database_type", "database_args", "database_connection_pool_limit"),
    **_all(_DATABASE, "database_connection_timeout", "database_connect_timeout", "database_socket_timeout"),
    **_all(_DATABASE, "database_statement_timeout", "database_lock_timeout", "database_extra_connection_params"),
    **_all(_DATABASE, "database_disable_prepared_statements", "disable_spend_updates", "disable_reset_budget"),
    **_all(_DATABASE, "disable_adding_master_key_hash_to_db", "proxy_batch_write_at", "store_model_in_db"),
    **_all(_DATABASE, "use_redis_transaction_buffer", "user_api_key_cache_ttl"),
    **_all("`ledger_down` declares what is admitted without the ledger", "allow_requests_on_db_unavailable"),
    **_all("nothing is admitted while the ledger does not answer", "fail_closed_budget_enforcement"),
    **_all("what a request may cost is always held before it is sent", "disable_budget_reservation"),
    **_all("the key alone says who pays", "enforce_user_param", "reject_clientside_metadata_tags", "user_header_name"),
    **_all("the gateway knows keys of customers", "enable_jwt_auth", "litellm_jwtauth", "custom_auth", important=True),
    **_all("the gateway knows keys of customers", "enable_oauth2_auth", "custom_sso", "litellm_key_header_name"),
    **_all("the gateway listens on this machine only", "allowed_ips", "use_x_forwarded_for", "max_request_size_mb"),
    **_all("its routes are in docs/gateway.md", "allowed_routes", "admin_only_routes", "public_routes"),
    **_all("its routes are in docs/gateway.md", "disable_responses_id_security", "allow_unmanaged_response_ids"),
    **_all("requests go to declared models only", "pass_through_endpoints", "infer_model_from_keys"),
    **_all("requests go to declared models only", "use_client_credentials_pass_through_routes", "completion_model"),
    **_all("customers name their models", "enforce_fallback_model_access", "enforce_fallback_budget"),
    **_all("concurrency is a customer's", "max_parallel_requests", important=True),
    **_all("an endpoint is asked by the first request", "background_health_checks", "health_check_interval"),
    **_all("an endpoint is asked by the first request", "health_check_details", "enable_drain_endpoint"),
    **_all(_LOGS, "store_prompts_in_spend_logs", "disable_spend_logs", "maximum_spend_logs_retention_period"),
    **_all(_LOGS, "maximum_spend_logs_retention_interval", "disable_error_logs", "missing_session_id"),
    **_all("alarms are the environment's", "alerting", "alerting_threshold", "alert_types", "alerting_args"),
    **_all("alarms are the environment's", "alert_to_webhook_url", "spend_report_frequency"),
    **_all("a provider's key is a variable or a secret in AWS", "key_management_system", "key_management_settings"),
    **_all("the gateway has no pages", "ui_access_mode", "disable_master_key_return", "disable_env_credential_login"),
    **_all("the gateway has no pages", "user_mcp_management_mode", "disable_auto_add_proxy_admin_to_teams"),
    **_all("no header of the caller is passed on", "forward_client_headers_to_llm_api"),
    **_all("a customer over its limits is told so", "disable_retry_on_max_parallel_request_limit_error"),
    **_all(_SERVER, "disable_batch_input_file_rate_limiting", "skip_batch_input_file_rate_limiting_for_providers"),
}
"""Of `general_settings`."""

SECTIONS: Reasons = {
    **_all("never copied: set the variables where the gateway runs", "environment_variables"),
    **_all("never copied: a provider's key is a variable or a secret in AWS", "credential_list"),
    **_all("other files are not read: import each of them", "include", important=True),
    **_all(_FILTER, "guardrails", "policies", "policy_attachments", important=True),
    **_all(_LOGS, "callback_settings"),
    **_all("the gateway has no such route", "mcp_servers", "mcp_tools", "vector_store_registry", "search_tools"),
    **_all("the gateway has no such route", "assistant_settings", "files_settings", "finetune_settings", "prompts"),
    **_all("the gateway has no such route", "agent_list", "worker_registry"),
}
"""Of the whole file, beside the sections above."""
