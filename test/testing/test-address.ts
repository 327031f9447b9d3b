import { freeLoopbackAddress } from '../../cli/lab/free-address.ts'

/**
 * Offset that separates the ports of test files that run at the same time, and of two concurrent runs of the tests. A
 * service that a test restarts must find its port free again.
 */
const PROCESS_OFFSET = 150 * Number(process.env.VITEST_POOL_ID ?? 0) + (process.pid % 50)

/** Below 32768, where the kernel's ephemeral ports begin: a client connection could take a port during a restart. */
const FIRST_PORTS = { collector: 21_050, metrics: 19_464, autopilot: 13_333 } as const

/** Number of ports that are tried: those of the next purpose begin 50 ports higher. */
const ATTEMPTS = 50

/**
 * Returns a free loopback address that no other test file uses. `second` returns a different one for a second process
 * of the same kind. Throws an Error when all candidates are in use.
 */
export const freeTestAddress = async (
  of: keyof typeof FIRST_PORTS,
  { second = false }: { second?: boolean } = {},
): Promise<string> => {
  const first = FIRST_PORTS[of] + PROCESS_OFFSET + (second ? 50 : 0)
  for (let port = first; port < first + ATTEMPTS; port++) {
    // When the port is in use, freeLoopbackAddress returns another one, chosen by the kernel.
    const address = await freeLoopbackAddress(port)
    if (address.endsWith(`:${port}`)) return address
  }
  throw new Error(`the ports ${first} to ${first + ATTEMPTS - 1} of 127.0.0.1 are all in use`)
}
