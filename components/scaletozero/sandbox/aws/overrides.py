"""What the embedded AWS does itself because moto does not do it, or not as the service does. `status` shows it."""

from __future__ import annotations

from typing import Final

OVERRIDES: Final[dict[str, str]] = {
    "s3:PutBucketPolicy": "moto ignores the Condition of a statement that denies; here it is evaluated",
    "iam:*": "moto evaluates no boundary, no condition and no resource's policy; here every call of a role or user is",
    "sagemaker:CreateModel": "moto takes a role that may not read the artifact, and an artifact that is not there",
    "sagemaker:CreateEndpointConfig": "moto overwrites one that exists and takes one with no instance",
    "sagemaker:CreateEndpoint": "moto is InService at once, starts nothing and overwrites one that exists",
    "sagemaker:UpdateEndpoint": "moto does not have it",
    "sagemaker:UpdateEndpointWeightsAndCapacities": "moto ignores ServerlessUpdateConfig",
    "sagemaker:DescribeEndpoint": "moto knows no states and no FailureReason",
    "sagemaker:DeleteEndpoint": "the endpoint's processes stop first",
    "application-autoscaling:RegisterScalableTarget": "moto rejects sagemaker:variant:DesiredProvisionedConcurrency",
    "application-autoscaling:PutScheduledAction": "moto fires nothing; here schedules and policies scale",
    "application-autoscaling:PutScalingPolicy": "moto gives one that is changed another ARN, which no alarm calls",
    "application-autoscaling:DescribeScalingActivities": "moto does not have it",
    "application-autoscaling:TagResource": "moto has no tags of scalable targets",
    "cloudwatch:PutMetricAlarm": "moto evaluates nothing; here alarms are evaluated each minute, and notify",
    "cloudwatch:PutCompositeAlarm": "moto has no operation that makes one; the rule's alarms must exist",
    "cloudwatch:GetMetricData": "moto has neither percentiles nor metric math, and periods of its own",
    "events:PutRule": "moto fires no schedule and calls no function; here rules do both",
    "lambda:Invoke": "moto starts Docker; here functions in Python run as processes, under their roles",
    "logs:AssociateKmsKey": "moto does not have it, nor DisassociateKmsKey",
    "lambda:UpdateFunctionConfiguration": "moto ignores another KMS key",
    "scheduler:CreateSchedule": "moto fires nothing; here schedules call functions",
    "scheduler:DeleteScheduleGroup": "moto crashes on one that is not there",
    "sagemaker:CreateEndpointConfig instance types": "moto's list is older than the service model",
    "eks:CreatePodIdentityAssociation": "moto has no Pod Identity; a cluster that is named is taken to be there",
    "sagemaker-runtime:InvokeEndpoint": "moto responds with a canned body",
    "sagemaker-runtime:InvokeEndpointWithResponseStream": "moto does not have it",
    "sagemaker-runtime:InvokeEndpointAsync": "moto writes a canned body at once; here requests wait for instances",
}
