"""Attack a task and its verifier before trusting a number made with them.

`audit_task` audits one task, `audit_gym` all data sets of reasoning-gym, each in a child process
that is killed when it overstays. `attacks` and `checks` hold the probes, `result` what
comes of them.
"""

from pathshift.rollout.audit.gym import GYM, audit_gym
from pathshift.rollout.audit.result import SEVERITIES, Audit, Finding
from pathshift.rollout.audit.subject import AuditOptions
from pathshift.rollout.audit.task import audit_task

__all__ = ["GYM", "SEVERITIES", "Audit", "AuditOptions", "Finding", "audit_gym", "audit_task"]
