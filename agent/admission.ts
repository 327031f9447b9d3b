import { Direction } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Admission, type PortRange } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../lib/clock.ts'
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

type Holder = {
  by: string
  exclusive: boolean
  /** Expected end of the test, in monotonic seconds; undefined when it is not known. */
  endSeconds: number | undefined
}

/** When to try again after a test whose end is not known, and the minimum otherwise. */
export const BUSY_RETRY_SECONDS = 1

/** When all holders are expected to have ended, in seconds from now. */
const retrySecondsOf = (holders: readonly Holder[], nowSeconds: number): number =>
  Math.max(BUSY_RETRY_SECONDS, ...holders.map(({ endSeconds = nowSeconds }) => endSeconds - nowSeconds))

/**
 * Admits tests to interface directions: an exclusive test has its interface and direction alone among bandwidth tests.
 * The agent enforces this for all callers.
 */
export const createAdmission = (clock: Pick<Clock, 'monotonicSeconds'>) => {
  const holders = new Map<string, Set<Holder>>()
  return {
    /**
     * Takes all claims or none.
     * @param expectedSeconds expected length of the test; undefined when it is not known
     * @returns releases the claims; may be called twice
     * @throws OperatingError AGENT_BUSY naming all conflicting holders
     */
    claim(claims: readonly Claim[], admission: Admission, by: string, expectedSeconds?: number): () => void {
      const exclusive = admission !== Admission.ADMISSION_SHARED
      const now = clock.monotonicSeconds()
      const conflicts = claims.flatMap(({ interface: name, direction }) =>
        [...(holders.get(`${name} ${direction}`) ?? [])]
          .filter((holder) => exclusive || holder.exclusive)
          .map((holder) => {
            const text = `${name || 'the node'} ${direction} is in use by a test of ${holder.by}`
            return { holder, text }
          }),
      )
      if (conflicts.length > 0) {
        const text = [...new Set(conflicts.map((conflict) => conflict.text))].join('; ')
        const inTheWay = conflicts.map(({ holder }) => holder)
        throw new OperatingError('AGENT_BUSY', text, { retrySeconds: retrySecondsOf(inTheWay, now) })
      }
      const endSeconds = expectedSeconds === undefined ? undefined : now + expectedSeconds
      const holder: Holder = { by, exclusive, endSeconds }
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
