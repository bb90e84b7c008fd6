"""What a campaign may do, as pure decisions: a snapshot goes in, a decision comes out.

`hours` (calling hours in a lead's zones), `definition` (campaign.toml as frozen tables),
`dispositions` (cause → disposition → retry, as tables), `eligibility` (may this lead be dialed
now, and if not, when). No clock, no I/O. The store's statements and the dialer both stand on
these, which is why they live below both.
"""
