"""An Oracle-protocol face over PostgreSQL: listener, dictionary, exact SCNs and redo.

It proves how the driver, the hook and the recovery logic behave. It does not prove that a statement is valid
Oracle SQL.
"""
