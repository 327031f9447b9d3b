import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Where the kernel has the limits of its tables; other than this only in tests. */
export const NEIGHBOUR_LIMITS = '/proc/sys/net'

/** Room for other labs of the same size, and for what else the machine talks to. */
const SPARE = 2

/** Above thresh2 entries are thrown away after seconds, above thresh3 at once. */
const FILES = [
  'ipv4/neigh/default/gc_thresh2',
  'ipv4/neigh/default/gc_thresh3',
  'ipv6/neigh/default/gc_thresh2',
  'ipv6/neigh/default/gc_thresh3',
]

/**
 * One kernel keeps one table of neighbours for all its namespaces, of 1,024 by default: enough for 22 hosts of which
 * each talks to each on two networks. Beyond that packets are lost that no lab has broken. Limits are only ever
 * raised, and left so: they bound memory and reserve none, and another lab may need them by then.
 * @returns what to tell whoever makes the lab; undefined when all is well
 */
export const allowNeighbours = async (
  folder: string,
  hosts: number,
  networks: number,
): Promise<string | undefined> => {
  const entries = hosts * (hosts - 1) * networks + 2 * hosts
  for (const file of FILES) {
    const path = join(folder, file)
    try {
      const limit = Number((await readFile(path, 'utf8')).trim())
      if (limit < entries * SPARE) await writeFile(path, String(entries * SPARE))
    } catch (error) {
      // Without IPv6 there is no table of it.
      if (file.startsWith('ipv6') && (error as NodeJS.ErrnoException).code === 'ENOENT') continue
      if (entries < 1024) continue
      return `the kernel's table of neighbours may be too small for ${hosts} hosts, and packets then get lost: have root set ${path.replaceAll('/proc/sys/', '').replaceAll('/', '.')} to ${entries * SPARE} (${(error as Error).message})`
    }
  }
  return undefined
}
