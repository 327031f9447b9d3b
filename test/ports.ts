import { freeLoopbackAddress } from '../cli/lab/ports.ts'

/**
 * Files of tests that run at the same time must not look for free ports in the same places, and neither must somebody
 * else's: what a test has killed for a while comes back to its port.
 */
const APART = 100 * Number(process.env.VITEST_POOL_ID ?? 0) + (process.pid % 50)

/**
 * Below 32768: above, the kernel gives ports to whoever opens a connection, and one of those would be in the way of a
 * collector that was away for a moment.
 */
const FIRST_PORTS = { collector: 21_050, metrics: 19_464, autopilot: 13_333 } as const

/** An address on loopback that nobody has, for as long as this file of tests runs. `beside` is for a second one. */
export const freeAddress = (
  of: keyof typeof FIRST_PORTS,
  { beside = false }: { beside?: boolean } = {},
): Promise<string> => freeLoopbackAddress(FIRST_PORTS[of] + APART + (beside ? 50 : 0))
