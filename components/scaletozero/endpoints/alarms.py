"""The alarms of an endpoint of any kind that has metrics in CloudWatch."""

import pulumi

from scaletozero.args.alarms import EndpointAlarmsArgs
from scaletozero.endpoints.kinds import KINDS
from scaletozero.observability.alarms import PlannedAlarms
from scaletozero.observability.plan import Alarm
from scaletozero.settings.alarms import Alarms, EndpointAlarmsSettings


class EndpointAlarms(PlannedAlarms):
    """One alarm for each way in which an endpoint can fail its callers, and one over them all that notifies people.

    One fault can ring several alarms. People get one message, which names them, and each alarm names its runbook.
    An endpoint without calls has no data, which rings nothing.

    Its children are the attributes `alarms`, by their names, and `composite`.

    Raises:
        FindingsError: when an argument breaks a rule, before anything is declared.
    """

    settings_type = EndpointAlarmsSettings

    arn: pulumi.Output[str]
    """The ARN of the alarm over all."""

    def __init__(self, name: str, args: EndpointAlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        def plan(settings: Alarms, provisioned: bool) -> list[Alarm]:
            return KINDS[args["kind"]].alarms(settings, provisioned)

        super().__init__(name, args, plan, opts)
