"""The dialer's name for `acd.rules.eligibility`, which the store stands on too."""

from acd.rules.eligibility import Check, LeadSnapshot, LeadState, Rule, Verdict, judge

__all__ = ["Check", "LeadSnapshot", "LeadState", "Rule", "Verdict", "judge"]
