"""Data Pump's stand-ins: ``expdp`` and ``impdp`` as programs, with a server process of their own for each job."""
