"""What a new vendor document changes: for the wire, for callers, and for this repository (``make changes``).

The rooms, from below: ``load`` (documents), ``nodes`` (places in a document), ``samples`` (values that fit a schema), ``schemas``
and ``operations`` (the comparison), ``verdicts`` (severity, and a value that shows it), ``callers`` and ``repository``
(consequences), ``report`` and ``render``. Which kinds of change there are stands in ``rules.yaml``.
"""
