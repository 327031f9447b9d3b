import type { Address, Fabric } from './fabric.ts'
import type { Program, ProgramIo } from './processes.ts'

/** The version decides how the agent asks for results: a stream of JSON from 3.17. */
const VERSION = '3.18'
const CONNECT_SECONDS = 0.003
const START_SECONDS = 0.008

/** A server that listens, and its client once it has one. */
type Server = {
  isBusy: boolean
  accept(): void
  interval(startSeconds: number, endSeconds: number, bitsPerSecond: number): void
  /** The test is over; with a reason when it broke off. */
  finish(problem: string): void
  signal: AbortSignal
}

const optionOf = (args: readonly string[], name: string): string | undefined => {
  const index = args.indexOf(name)
  return index < 0 ? undefined : args[index + 1]
}

const row = (start: number, end: number, bitsPerSecond: number, role = ''): string => {
  const transfer = ((bitsPerSecond * (end - start)) / 8 / 1024).toFixed(2)
  const rate = (bitsPerSecond / 1000).toFixed(3)
  return `[  5]   ${start.toFixed(2)}-${end.toFixed(2)}   sec  ${transfer} KBytes  ${rate} Kbits/sec  ${role}`
}

const serve = async (
  servers: Map<string, Server>,
  args: readonly string[],
  io: ProgramIo,
): Promise<number> => {
  const port = optionOf(args, '-p')!
  const key = `${optionOf(args, '-B')}:${port}`
  await io.sleep(START_SECONDS)
  if (servers.has(key)) {
    io.printError('iperf3: error - unable to start listener for connections: Address already in use')
    return 1
  }
  const over = Promise.withResolvers<string>()
  let sum = { seconds: 0, bits: 0 }
  servers.set(key, {
    isBusy: false,
    accept: () => {
      io.print(`Accepted connection from 10.0.0.0, port 40000`)
      io.print(`[  5] local ${optionOf(args, '-B')} port ${port} connected to 10.0.0.0 port 40001`)
    },
    interval: (start, end, bitsPerSecond) => {
      sum = { seconds: end, bits: sum.bits + bitsPerSecond * (end - start) }
      io.print(row(start, end, bitsPerSecond))
    },
    finish: over.resolve,
    signal: io.signal,
  })
  const close = () => servers.delete(key)
  io.signal.addEventListener('abort', close, { once: true })
  io.print(`Server listening on ${port} (test #1)`)
  const problem = await over.promise
  close()
  if (problem !== '') {
    io.printError(`iperf3: error - ${problem}`)
    return 1
  }
  io.print(row(0, sum.seconds, sum.seconds === 0 ? 0 : sum.bits / sum.seconds, 'receiver'))
  return 0
}

const total = (seconds: number, bytes: number) => ({
  start: 0,
  end: seconds,
  seconds,
  bytes,
  bits_per_second: seconds === 0 ? 0 : (bytes * 8) / seconds,
})

/** Sends until the time is over; returns what was sent, or why it broke off. */
const transfer = async (
  io: ProgramIo,
  server: Server,
  rate: () => number,
  { seconds, intervalSeconds }: { seconds: number; intervalSeconds: number },
): Promise<{ bytes: number; problem: string }> => {
  let bytes = 0
  for (let start = 0; start < seconds; ) {
    const end = Math.min(seconds, start + intervalSeconds)
    await io.sleep(end - start)
    if (server.signal.aborted) return { bytes, problem: 'control socket has closed unexpectedly' }
    const bitsPerSecond = rate()
    const moved = Math.round((bitsPerSecond * (end - start)) / 8)
    bytes += moved
    const sum = { ...total(end - start, moved), start, end, retransmits: 0, omitted: false }
    io.print(JSON.stringify({ event: 'interval', data: { sum } }))
    server.interval(start, end, bitsPerSecond)
    start = end
  }
  return { bytes, problem: '' }
}

const send = async (
  servers: Map<string, Server>,
  fabric: Fabric,
  args: readonly string[],
  io: ProgramIo,
): Promise<number> => {
  const fail = (problem: string): number => {
    io.print(JSON.stringify({ event: 'error', data: `error - ${problem}` }))
    return 1
  }
  const address = optionOf(args, '-c')!
  const to = fabric.whereIs(address) as Address
  const asked = Number(optionOf(args, '-b') ?? 0)
  const rate = () => {
    const possible = fabric.rate(to.interface, io.node, to.node)
    return asked > 0 ? Math.min(asked, possible) : possible
  }
  await io.sleep(CONNECT_SECONDS)
  if (rate() === 0) {
    await io.sleep(Number(optionOf(args, '--connect-timeout') ?? 3000) / 1000)
    return fail('unable to connect to server: Connection timed out')
  }
  const server = servers.get(`${address}:${optionOf(args, '-p')}`)
  if (!server) return fail('unable to connect to server: Connection refused')
  if (server.isBusy) return fail('the server is busy running a test. try again later')
  server.isBusy = true
  server.accept()
  io.signal.addEventListener('abort', () => server.finish('the client has terminated'), { once: true })
  io.print(JSON.stringify({ event: 'start', data: { connected: [{ socket: 5 }] } }))
  const seconds = Number(optionOf(args, '-t') ?? 10)
  const plan = { seconds, intervalSeconds: Number(optionOf(args, '-i') ?? 1) }
  const { bytes, problem } = await transfer(io, server, rate, plan)
  if (problem !== '') return fail(problem)
  const data = {
    sum_sent: { ...total(seconds, bytes), retransmits: 0 },
    sum_received: total(seconds, bytes),
    cpu_utilization_percent: { host_total: 10, remote_total: 10 },
  }
  io.print(JSON.stringify({ event: 'end', data }))
  server.finish('')
  return 0
}

/** iperf3 with the options that the agent uses. All hosts share `servers`, which is the network between them. */
export const createIperf3Program = (fabric: Fabric): Program => {
  const servers = new Map<string, Server>()
  return async (args, io) => {
    if (args.includes('--version')) {
      io.print(`iperf ${VERSION} (cJSON 1.7.15)`)
      return 0
    }
    return args.includes('-s') ? serve(servers, args, io) : send(servers, fabric, args, io)
  }
}
