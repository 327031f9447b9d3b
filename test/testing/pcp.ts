import { existsSync } from 'node:fs'

const unpacked = new URL('../../node_modules/.cache/debian/pcp.conf', import.meta.url).pathname

/** The configuration of Performance Co-Pilot as unpacked by `npm test` or as installed; undefined when there is none. */
export const pcpConf = [unpacked, '/etc/pcp.conf'].find((path) => existsSync(path))
