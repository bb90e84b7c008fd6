"""Campaigns at work: definitions, lead import, eligibility, attempts, reports, scheduler."""
