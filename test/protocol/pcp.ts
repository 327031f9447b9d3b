import { existsSync } from 'node:fs'

const unpacked = new URL('../../node_modules/.cache/debian/pcp.conf', import.meta.url).pathname

/** Performance Co-Pilot as `npm test` unpacks it, else as it is installed; undefined when it is neither. */
export const pcpConf = [unpacked, '/etc/pcp.conf'].find((path) => existsSync(path))
