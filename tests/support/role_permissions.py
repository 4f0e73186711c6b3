"""Every permission of every role that the components declare: what fails in the sandbox without it, or why it is there.

`tests/unit/sandbox/aws/iam/test_role_permissions.py` takes each away; `tests/contracts/test_components.py` finds roles.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fails:
    """Without the permission, an operation fails.

    Attributes:
        operation: a name in `OPERATIONS` of the test.
        error: a part of AWS's error; default: that the action is not authorised.
    """

    operation: str
    error: str = ""


@dataclass(frozen=True)
class Unused:
    """Nothing in the sandbox needs it.

    Attributes:
        reason: why AWS does.
    """

    reason: str


@dataclass(frozen=True)
class Permission:
    """A permission.

    Attributes:
        role: the component that declares the role, and the role's suffix.
        statement: the statement's id.
    """

    role: str
    statement: str
    action: str

    def __str__(self) -> str:
        return f"{self.role} {self.statement} {self.action}"


SERVERLESS, ASYNCHRONOUS = "ServerlessEndpoint role", "AsyncEndpoint role"
FUNCTION, SCHEDULER = "WarmCalls function-role", "WarmCalls scheduler-role"
PODS = "GpuEndpoint model-role"
GUARD, BUDGETS = "SpendingGuard function-role", "SpendingGuard budgets-role"
GAUGE = "SpendingGuard gauge-role"
GATEWAY = "InferenceGateway role"

_GUIDE = "SageMaker lists it for every model's role (developer guide, CreateModel API: execution role permissions)"
_ARCHIVE = Fails("create the model", 'Could not access model data at .*"s3:GetObject"')
_MODEL: dict[tuple[str, str], Fails | Unused] = {
    ("ReadArtifact", "s3:GetObject"): _ARCHIVE,
    ("DecryptArtifact", "kms:Decrypt"): _ARCHIVE,
    ("PullImage", "ecr:BatchCheckLayerAvailability"): Fails("create the model"),
    ("PullImage", "ecr:BatchGetImage"): Fails("create the model"),
    ("PullImage", "ecr:GetDownloadUrlForLayer"): Fails("create the model"),
    ("LogInToRegistry", "ecr:GetAuthorizationToken"): Fails("create the model"),
    ("WriteLogs", "logs:CreateLogStream"): Fails("write logs"),
    ("WriteLogs", "logs:PutLogEvents"): Fails("write logs"),
    ("WriteLogs", "logs:DescribeLogStreams"): Unused(_GUIDE),
    ("WriteMetrics", "cloudwatch:PutMetricData"): Unused(
        f"{_GUIDE}; the metrics of instances, which the sandbox has not"
    ),
}
_ENCRYPTED = "S3 needs it of who puts and gets encrypted objects (S3 user guide, SSE-KMS); this bucket has no key"
_MODELS = "Converse and InvokeModel need it (Bedrock API reference); the sandbox has no Bedrock"
_GUIDE_ASYNC = "SageMaker lists it (developer guide, asynchronous inference, prerequisites)"
_QUEUE: dict[tuple[str, str], Fails | Unused] = {
    ("ReadRequests", "s3:GetObject"): Fails("respond to a request"),
    ("WriteResults", "s3:PutObject"): Fails("respond to a request"),
    ("WriteResults", "s3:AbortMultipartUpload"): Unused(f"{_GUIDE_ASYNC}; the sandbox writes results in one part"),
    ("ListRequests", "s3:ListBucket"): Unused(f"{_GUIDE_ASYNC}; without it, a request that is missing reads as denied"),
    ("EncryptResults", "kms:GenerateDataKey"): Fails("respond to a request"),
    ("PublishNotifications", "sns:Publish"): Fails("respond to a request"),
    ("CreateNetworkInterfaces", "ec2:CreateNetworkInterface"): Fails("create the model in a VPC"),
    **{
        ("AttachAndDeleteNetworkInterfaces", f"ec2:{action}"): Fails("create the model in a VPC")
        for action in ("CreateNetworkInterfacePermission", "DeleteNetworkInterface", "DeleteNetworkInterfacePermission")
    },
    **{
        ("DescribeNetworks", f"ec2:Describe{what}"): Fails("create the model in a VPC")
        for what in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
    },
}

_TABLE_KEY = Unused(
    "who asks a table with a key of one's own needs it (DynamoDB developer guide, encryption at rest); nothing is "
    "encrypted here"
)

_CLOSES = Unused("the function calls this API (tests/unit/endpoints/test_close_function.py); nothing here runs it")
_BUDGETED = Unused("AWS lists it for a budget's action (cost management guide); the sandbox has no budgets")

PERMISSIONS: dict[Permission, Fails | Unused] = {
    Permission(role, *key): row
    for role, rows in {
        SERVERLESS: _MODEL,
        ASYNCHRONOUS: {**_MODEL, **_QUEUE},
        FUNCTION: {
            ("AskEndpoint", "sagemaker:InvokeEndpoint"): Fails("call the endpoint", "AccessDeniedException"),
            ("WriteLogs", "logs:CreateLogStream"): Fails("write the function's logs"),
            ("WriteLogs", "logs:PutLogEvents"): Fails("write the function's logs"),
            ("KeepFailures", "sqs:SendMessage"): Fails("keep a failure"),
        },
        SCHEDULER: {
            ("CallFunction", "lambda:InvokeFunction"): Fails("call the function"),
            ("KeepFailures", "sqs:SendMessage"): Fails("keep a failure"),
            ("DecryptSchedules", "kms:Decrypt"): Fails("decrypt a schedule"),
        },
        GUARD: {
            ("CloseEndpoints", "sagemaker:DescribeEndpoint"): _CLOSES,
            ("CloseEndpoints", "sagemaker:UpdateEndpointWeightsAndCapacities"): _CLOSES,
            ("SuspendScaling", "application-autoscaling:RegisterScalableTarget"): _CLOSES,
            ("DescribeScaling", "application-autoscaling:DescribeScalableTargets"): _CLOSES,
            ("ReadAlarms", "cloudwatch:DescribeAlarms"): _CLOSES,
            ("DenyCallers", "iam:AttachRolePolicy"): _CLOSES,
            ("CloseGateway", "lambda:PutFunctionConcurrency"): Unused(
                "the function calls this API (tests/engine/test_inference_gateway.py); nothing here runs it"
            ),
            ("WriteLogs", "logs:CreateLogStream"): Fails("write the function's logs"),
            ("WriteLogs", "logs:PutLogEvents"): Fails("write the function's logs"),
            ("KeepFailures", "sqs:SendMessage"): Fails("keep a failure"),
        },
        GAUGE: {
            ("ReadMetrics", "cloudwatch:GetMetricData"): Fails("measure the month"),
            ("WriteSpending", "cloudwatch:PutMetricData"): Fails("measure the month"),
            ("WriteLogs", "logs:CreateLogStream"): Fails("write the function's logs"),
            ("WriteLogs", "logs:PutLogEvents"): Fails("write the function's logs"),
        },
        BUDGETS: {
            ("DenyCallers", "iam:AttachRolePolicy"): _BUDGETED,
            ("DenyCallers", "iam:DetachRolePolicy"): _BUDGETED,
        },
        GATEWAY: {
            **{
                ("KeepLedger", f"dynamodb:{each}"): Fails("keep the ledger")
                for each in ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")
            },
            ("KeepAnswers", "dynamodb:GetItem"): Fails("keep an answer"),
            ("KeepAnswers", "dynamodb:PutItem"): Fails("keep an answer"),
            ("InvokeEndpoints", "sagemaker:InvokeEndpoint"): Fails("call the endpoint", "AccessDeniedException"),
            ("SubmitRequests", "sagemaker:InvokeEndpointAsync"): Fails("ask the queue", "AccessDeniedException"),
            ("PutRequests", "s3:PutObject"): Fails("ask the queue", "AccessDenied"),
            ("GetResults", "s3:GetObject"): Fails("ask the queue", "AccessDenied"),
            ("FindResults", "s3:ListBucket"): Unused(
                "without it S3 denies access to a key that is not there (API reference, GetObject); the sandbox says so"
            ),
            ("EncryptRequests", "kms:GenerateDataKey"): Unused(_ENCRYPTED),
            ("EncryptRequests", "kms:Decrypt"): Unused(_ENCRYPTED),
            ("AskModels", "bedrock:InvokeModel"): Unused(_MODELS),
            ("AskModels", "bedrock:InvokeModelWithResponseStream"): Unused(_MODELS),
            ("ReadProviderKeys", "secretsmanager:GetSecretValue"): Fails("read a provider's key", "AccessDenied"),
            ("WriteLogs", "logs:CreateLogStream"): Fails("write the function's logs"),
            ("WriteLogs", "logs:PutLogEvents"): Fails("write the function's logs"),
            ("DecryptProviderKeys", "kms:Decrypt"): Unused(
                "Secrets Manager needs it of who reads (user guide, encryption); the sandbox's secrets are in memory"
            ),
            **{
                ("UseTableKey", f"kms:{each}"): _TABLE_KEY
                for each in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo")
            },
        },
        PODS: {
            ("ReadArtifact", "s3:GetObject"): Fails("load the model"),
            ("ListArtifact", "s3:ListBucket"): Fails("load the model"),
            ("DecryptArtifact", "kms:Decrypt"): Fails("load the model"),
        },
    }.items()
    for key, row in rows.items()
}
