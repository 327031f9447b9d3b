import { existsSync } from 'node:fs'

/** The configuration file of Performance Co-Pilot; undefined where Debian's package pcp is not installed. */
export const pcpConf = existsSync('/usr/lib/pcp/bin/pmcd') ? '/etc/pcp.conf' : undefined
