import { Direction } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Admission, type PortRange } from '#proto/meshgauge/agent/v1/types.ts'
import { OperatingError } from '../lib/errors.ts'

/** The endpoint of a test that this node is. */
export type Role = 'server' | 'client'

export type Claim = { interface: string; direction: 'tx' | 'rx' }

/** Returns the interface directions that carry bytes at one endpoint of a test. */
export const claimsOf = (role: Role, direction: Direction, interfaces: readonly string[]): Claim[] => {
  const bothWays = direction === Direction.DIRECTION_BIDIRECTIONAL
  const sends = (role === 'client') !== (direction === Direction.DIRECTION_REVERSE)
  const directions: Claim['direction'][] = bothWays ? ['tx', 'rx'] : [sends ? 'tx' : 'rx']
  return [...new Set(interfaces)].flatMap((name) =>
    directions.map((way) => ({ interface: name, direction: way })),
  )
}

type Holder = { by: string; exclusive: boolean }

/**
 * Admits tests to interface directions: an exclusive test has its interface and direction alone among bandwidth tests.
 * The agent enforces this for all callers.
 */
export const createAdmission = () => {
  const holders = new Map<string, Set<Holder>>()
  return {
    /**
     * Takes all claims or none.
     * @returns releases the claims; may be called twice
     * @throws OperatingError AGENT_BUSY naming all conflicting holders
     */
    claim(claims: readonly Claim[], admission: Admission, by: string): () => void {
      const exclusive = admission !== Admission.ADMISSION_SHARED
      const conflicts = claims.flatMap(({ interface: name, direction }) =>
        [...(holders.get(`${name} ${direction}`) ?? [])]
          .filter((holder) => exclusive || holder.exclusive)
          .map((holder) => `${name || 'the node'} ${direction} is in use by a test of ${holder.by}`),
      )
      if (conflicts.length > 0) throw new OperatingError('AGENT_BUSY', [...new Set(conflicts)].join('; '))
      const holder: Holder = { by, exclusive }
      const keys = claims.map(({ interface: name, direction }) => `${name} ${direction}`)
      for (const key of keys) {
        const set = holders.get(key) ?? new Set()
        holders.set(key, set.add(holder))
      }
      return () => {
        for (const key of keys) {
          const set = holders.get(key)
          set?.delete(holder)
          if (set?.size === 0) holders.delete(key)
        }
      }
    },
  }
}

export type AdmissionControl = ReturnType<typeof createAdmission>

/** Leases the ports of a range in turn: a retry gets a new 5-tuple, and a port is not reused immediately. */
export const createPortLeases = (range: PortRange) => {
  const leased = new Set<number>()
  let next = range.first
  return {
    /**
     * Leases `width` consecutive ports and returns the first one.
     * @throws OperatingError PORTS_EXHAUSTED when the wanted range has none that are neither leased nor in `avoid`
     */
    lease(wanted: PortRange, avoid: ReadonlySet<number> = new Set(), width = 1): number {
      const first = Math.max(range.first, wanted.first)
      const last = Math.min(range.last, wanted.last)
      const count = last - first + 1
      if (next < first || next > last) next = first
      for (let tried = 0; tried < count; tried++) {
        const port = first + ((next - first + tried) % count)
        const ports = Array.from({ length: width }, (_, offset) => port + offset)
        if (ports.at(-1)! > last || ports.some((each) => leased.has(each) || avoid.has(each))) continue
        for (const each of ports) leased.add(each)
        next = port + width > last ? first : port + width
        return port
      }
      const text = `no free ${width === 1 ? 'port' : `${width} consecutive ports`} in ${first}-${last}: ${leased.size} leased, ${avoid.size} taken by other programs`
      throw new OperatingError('PORTS_EXHAUSTED', text)
    },
    release(port: number, width = 1): void {
      for (let offset = 0; offset < width; offset++) leased.delete(port + offset)
    },
  }
}

export type PortLeases = ReturnType<typeof createPortLeases>
