"""The metrics that SageMaker publishes for endpoints, from its developer guide: an oracle of the tests' own."""

from scaletozero.settings.alarms import EndpointKind

PUBLISHED = {
    EndpointKind.SERVERLESS: {
        "Invocations",
        "Invocation4XXErrors",
        "Invocation5XXErrors",
        "ModelLatency",
        "OverheadLatency",
        "ModelSetupTime",
        "ServerlessConcurrentExecutionsUtilization",
        "ServerlessProvisionedConcurrencyExecutions",
        "ServerlessProvisionedConcurrencyUtilization",
        "ServerlessProvisionedConcurrencyInvocations",
        "ServerlessProvisionedConcurrencySpilloverInvocations",
    },
    EndpointKind.ASYNCHRONOUS: {
        "Invocation4XXErrors",
        "Invocation5XXErrors",
        "ModelLatency",
        "InvocationsProcessed",
        "InvocationFailures",
        "ApproximateAgeOfOldestRequest",
        "ApproximateBacklogSize",
        "ExpiredRequests",
        "TimeInBacklog",
        "TotalProcessingTime",
    },
}
"""In the namespace AWS/SageMaker."""

OF_CONTAINERS = {
    EndpointKind.SERVERLESS: {"MemoryUtilization"},
    EndpointKind.ASYNCHRONOUS: {"CPUUtilization", "MemoryUtilization", "GPUUtilization", "GPUMemoryUtilization"},
}
"""In the namespace /aws/sagemaker/Endpoints."""

OF_THE_WHOLE_ENDPOINT = {"ApproximateAgeOfOldestRequest", "ApproximateBacklogSize"}
"""Those that have no variant among their dimensions."""
