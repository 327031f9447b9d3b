import { freeLoopbackAddress } from '../cli/lab/free-address.ts'

/**
 * Files of tests that run at the same time must not look for free ports in the same places, and neither must somebody
 * else's: what a test has killed for a while comes back to its port.
 */
const APART = 150 * Number(process.env.VITEST_POOL_ID ?? 0) + (process.pid % 50)

/**
 * Below 32768: above, the kernel gives ports to whoever opens a connection, and one of those would be in the way of a
 * collector that was away for a moment.
 */
const FIRST_PORTS = { collector: 21_050, metrics: 19_464, autopilot: 13_333 } as const

/** How many are tried: no more than lie before those of the next file. */
const TRIES = 50

/**
 * An address on loopback that nobody has, for as long as this file of tests runs. `beside` is for a second one.
 * @throws Error when all that it may be are taken
 */
export const freeAddress = async (
  of: keyof typeof FIRST_PORTS,
  { beside = false }: { beside?: boolean } = {},
): Promise<string> => {
  const first = FIRST_PORTS[of] + APART + (beside ? 50 : 0)
  for (let port = first; port < first + TRIES; port++) {
    // Where somebody has it, this is one of the kernel's.
    const address = await freeLoopbackAddress(port)
    if (address.endsWith(`:${port}`)) return address
  }
  throw new Error(`the ports ${first} to ${first + TRIES - 1} of 127.0.0.1 are all taken`)
}
