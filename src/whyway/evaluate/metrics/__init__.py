"""The field's metrics under the field's names: small pure functions over arrays with any leading axes, one benchmark a file.

No function here knows a log or a map: what needs one comes in as arrays, so that the same bodies judge a log and reward a batch.
"""
