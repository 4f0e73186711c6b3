"""The alarms of endpoints whose metrics are in CloudWatch."""

import pulumi

from scaletozero.args.alarms import EndpointAlarmsArgs
from scaletozero.endpoints.kinds import KINDS
from scaletozero.observability.alarms import PlannedAlarms
from scaletozero.observability.plan import Alarm
from scaletozero.settings.alarms import Alarms, EndpointAlarmsSettings


class EndpointAlarms(PlannedAlarms):
    """An alarm for each way in which an endpoint can fail its callers, and a composite alarm that notifies people.

    One fault can set off several alarms. People receive one message, which names them; each alarm names its runbook.
    An endpoint without calls has no data, which sets off no alarm.

    Its children are the attributes `alarms`, a dictionary by name, and `composite`.

    Raises:
        FindingsError: an argument is invalid. Nothing is declared.
    """

    settings_type = EndpointAlarmsSettings

    arn: pulumi.Output[str]
    """The ARN of the composite alarm."""

    def __init__(self, name: str, args: EndpointAlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        def plan(settings: Alarms, provisioned: bool) -> list[Alarm]:
            return KINDS[args["kind"]].alarms(settings, provisioned)

        super().__init__(name, args, plan, opts)
