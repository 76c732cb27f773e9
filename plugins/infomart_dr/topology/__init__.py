"""The topology: sites, hosts, connections, roles and options, read from one YAML file and validated.

Every identifier that later reaches a shell, ggsci or SQL is validated here, once. All mistakes of a file are reported
together, each with the path of its field, the value found and the allowed values. docs/topology.md describes the file
field by field.
"""

from __future__ import annotations

from infomart_dr.topology.database import (
    Database,
    DataPump,
)
from infomart_dr.topology.genesys import (
    Configuration,
    ConfigurationPaths,
    Endpoint,
    Flags,
    InfoMart,
    InfoMartServer,
    Jobs,
    ManagementLayer,
    Raa,
    Reports,
)
from infomart_dr.topology.goldengate import (
    AliasLogin,
    EncryptedLogin,
    GoldenGate,
    Groups,
    Login,
    Trails,
)
from infomart_dr.topology.hosts import (
    Host,
    Reach,
)
from infomart_dr.topology.idbs import (
    CommandJob,
    CronJob,
    DbmsJob,
    Idb,
    PurgeJob,
    SchedulerJob,
)
from infomart_dr.topology.identifiers import (
    AbsolutePath,
    Address,
    ConnectionId,
    DumpSize,
    GroupName,
    Identifier,
    MessageCode,
    Model,
    Name,
    ObjectName,
    Port,
    ProcessPattern,
    Program,
    QualifiedName,
    Release,
    ServiceName,
    Tag,
    TrailName,
    UserName,
    VariableName,
    Word,
)
from infomart_dr.topology.options import (
    Approval,
    Fencing,
    Timeouts,
    Transfer,
)
from infomart_dr.topology.reading import (
    PATH_VARIABLE,
    deployments,
    load,
    parse,
    read,
    topology_file,
    topology_folder,
)
from infomart_dr.topology.sites import (
    Architecture,
    Role,
    Site,
)
from infomart_dr.topology.tickets import (
    TICKET,
    Jira,
    ServiceNow,
    TicketEvent,
    Tickets,
    Webhook,
)
from infomart_dr.topology.topology import (
    BOTH_ROLES,
    Pair,
    SiteRole,
    Topology,
)
from infomart_dr.topology.watch import (
    Falling,
    Rising,
    Watch,
)

__all__ = [
    "BOTH_ROLES",
    "PATH_VARIABLE",
    "TICKET",
    "AbsolutePath",
    "Address",
    "AliasLogin",
    "Approval",
    "Architecture",
    "CommandJob",
    "Configuration",
    "ConfigurationPaths",
    "ConnectionId",
    "CronJob",
    "DataPump",
    "Database",
    "DbmsJob",
    "DumpSize",
    "EncryptedLogin",
    "Endpoint",
    "Falling",
    "Fencing",
    "Flags",
    "GoldenGate",
    "GroupName",
    "Groups",
    "Host",
    "Idb",
    "Identifier",
    "InfoMart",
    "InfoMartServer",
    "Jira",
    "Jobs",
    "Login",
    "ManagementLayer",
    "MessageCode",
    "Model",
    "Name",
    "ObjectName",
    "Pair",
    "Port",
    "ProcessPattern",
    "Program",
    "PurgeJob",
    "QualifiedName",
    "Raa",
    "Reach",
    "Release",
    "Reports",
    "Rising",
    "Role",
    "SchedulerJob",
    "ServiceName",
    "ServiceNow",
    "Site",
    "SiteRole",
    "Tag",
    "TicketEvent",
    "Tickets",
    "Timeouts",
    "Topology",
    "TrailName",
    "Trails",
    "Transfer",
    "UserName",
    "VariableName",
    "Watch",
    "Webhook",
    "Word",
    "deployments",
    "load",
    "parse",
    "read",
    "topology_file",
    "topology_folder",
]
