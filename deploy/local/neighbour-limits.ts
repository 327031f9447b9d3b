import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The folder of the kernel's limits. Tests pass another one. */
export const NEIGHBOUR_LIMITS = '/proc/sys/net'

/** Space for a second lab of the same size and for the machine's other neighbours. */
const HEADROOM_FACTOR = 2

/** The kernel removes entries above thresh2 after 5 s, and accepts none above thresh3 (arp(7)). */
const FILES = [
  'ipv4/neigh/default/gc_thresh2',
  'ipv4/neigh/default/gc_thresh3',
  'ipv6/neigh/default/gc_thresh2',
  'ipv6/neigh/default/gc_thresh3',
]

/**
 * Raises the kernel's limits of the neighbour table (ARP and NDP). All namespaces of a machine share one table, of 1,024
 * entries by default: enough for a full mesh of 22 hosts on two networks. In a larger lab a full table loses packets
 * without any injected fault. Limits are never lowered, because another lab may use them, and they reserve no memory.
 * Returns a warning when the limits are too low and cannot be raised.
 */
export const raiseNeighbourLimits = async (
  folder: string,
  hosts: number,
  networks: number,
): Promise<string | undefined> => {
  const entries = hosts * (hosts - 1) * networks + 2 * hosts
  for (const file of FILES) {
    const path = join(folder, file)
    try {
      const limit = Number((await readFile(path, 'utf8')).trim())
      if (limit < entries * HEADROOM_FACTOR) await writeFile(path, String(entries * HEADROOM_FACTOR))
    } catch (error) {
      // A kernel without IPv6 has no such file.
      if (file.startsWith('ipv6') && (error as NodeJS.ErrnoException).code === 'ENOENT') continue
      if (entries < 1024) continue
      return `the kernel's neighbour table may be too small for ${hosts} hosts, which causes packet loss: as root, set ${path.replaceAll('/proc/sys/', '').replaceAll('/', '.')} to ${entries * HEADROOM_FACTOR} (${(error as Error).message})`
    }
  }
  return undefined
}
