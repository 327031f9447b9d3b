import { createServer } from 'node:net'
import { type ServiceError, status } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { type IndependentClient, openIndependentClient } from '../testing/independent-client.ts'
import { measuringProgramsOf } from '../testing/process-tree.ts'
import { type ServiceProcess, startAgent } from '../testing/service-process.ts'

const IPERF = 'meshgauge.agent.v1.IperfService'
const AGENT = 'meshgauge.agent.v1.AgentService'

type Change = { flowIndex: number; running: boolean; restartCount: number; reason: string }
type Sample = { flowIndex: number; bytes: string | number; bitsPerSecond: string | number }
type Event = {
  event: string
  started?: { listeners?: { port: number }[] }
  samples?: { samples: Sample[] }
  changes?: { changes: Change[] }
  summary?: { results: { outcome: string; sentBytes?: string | number }[] }
}

let agent: ServiceProcess
let client: IndependentClient

beforeAll(async () => {
  agent = await startAgent('--ports', '25601-25640')
  client = openIndependentClient(agent.port)
})
/** Called in reverse order: streams end before their agents. */
const stops: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
  await eventually(
    () => measuringProgramsOf(agent.pid),
    (found) => found.length === 0,
  )
})
afterAll(async () => {
  client.close()
  await agent.stop('SIGTERM')
})

/** An agent for one test, which ends with the test. */
const startSeparateAgent = async (...args: string[]) => {
  const own = await startAgent(...args)
  const ownClient = openIndependentClient(own.port)
  stops.push(async () => {
    ownClient.close()
    await own.stop('SIGTERM')
  })
  return { own, ownClient }
}

/** Opens a stream and collects its messages. */
const openStream = (method: string, request: object, from = client) => {
  const stream = from.stream<Event>(IPERF, method, request)
  stops.push(() => stream.cancel())
  const events: Event[] = []
  const done = (async () => {
    for await (const event of stream) events.push(event)
  })().then(
    () => undefined,
    (error: ServiceError) => error,
  )
  const changes = () =>
    events.flatMap((event) =>
      (event.changes?.changes ?? []).map((change) => ({
        // proto3 omits zeros.
        ...{ flowIndex: 0, running: false, restartCount: 0, reason: '' },
        ...change,
      })),
    )
  const samples = () =>
    events.flatMap((event) =>
      (event.samples?.samples ?? []).map((sample) => ({
        ...{ flowIndex: 0, bytes: 0, bitsPerSecond: 0 },
        ...sample,
      })),
    )
  const seen = (what: string) =>
    eventually(
      () => events.find(({ event }) => event === what),
      (event) => event !== undefined,
    ) as Promise<Event>
  return { events, done, changes, samples, seen, cancel: () => stream.cancel() }
}

const OPTIONS = { bitsPerSecond: 400_000, parallelCount: 2, interval: { seconds: 1 } }
const listeners = (count: number) => Array.from({ length: count }, () => ({ interface: 'lo' }))

const start = async (count: number, more: object = {}, from = client) => {
  const serve = openStream(
    'Serve',
    {
      listeners: listeners(count),
      sustained: true,
      admission: 'ADMISSION_SHARED',
      interval: { seconds: 1 },
      label: 'load',
    },
    from,
  )
  const ports = (await serve.seen('started')).started!.listeners!.map(({ port }) => port)
  const flows = ports.map((port) => ({ address: '127.0.0.1', port, interface: 'lo' }))
  const request = {
    flows,
    sustained: true,
    admission: 'ADMISSION_SHARED',
    options: OPTIONS,
    label: 'load',
    ...more,
  }
  const run = openStream('Run', request, from)
  await run.seen('started')
  return { serve, run, ports, stop: () => [serve.cancel(), run.cancel()] }
}

const movedBy = (flow: number, samples: readonly Sample[]) =>
  samples.filter(({ flowIndex }) => flowIndex === flow).reduce((sum, { bytes }) => sum + Number(bytes), 0)

/** Waits until each flow has moved bytes at both endpoints. */
const untilMoving = async ({ serve, run }: Awaited<ReturnType<typeof start>>, count: number) => {
  for (const end of [serve, run]) {
    const before = end.samples().length
    await eventually(
      () => Array.from({ length: count }, (_, flow) => movedBy(flow, end.samples().slice(before))),
      (bytes) => bytes.every((each) => each > 0),
    )
  }
}

const pidsOf = (kind: '-s' | '-c', port: number, of = agent) =>
  measuringProgramsOf(of.pid)
    .filter(({ command }) => command.includes(`iperf3 ${kind} `) && command.includes(`-p ${port} `))
    .map(({ pid }) => pid)

describe('sustained traffic', () => {
  test('both endpoints report bytes, Describe names the label, and cancelling leaves no process', async () => {
    const load = await start(3)
    await untilMoving(load, 3)
    const rates = load.serve.samples().map(({ bitsPerSecond }) => Number(bitsPerSecond))
    // Two streams of 400 kbit/s each.
    expect(rates.some((rate) => rate > 400_000)).toBe(true)
    expect(load.run.changes()).toEqual([])
    const describeLabels = async () =>
      (await client.call<{ sustainedLabels: string[] }>(AGENT, 'Describe', {})).sustainedLabels
    expect(await describeLabels()).toEqual(['load'])
    load.stop()
    expect((await load.serve.done)?.code).toBe(status.CANCELLED)
    expect((await load.run.done)?.code).toBe(status.CANCELLED)
    await eventually(
      () => measuringProgramsOf(agent.pid),
      (found) => found.length === 0,
    )
    await eventually(describeLabels, (labels) => (labels ?? []).length === 0)
  })

  test('a test that ends at the limit of the agent is followed by the next one, without a restart count', async () => {
    // Its own agent: after such an end failures are not counted for 5 s, and the other tests count them.
    const { own, ownClient } = await startSeparateAgent('--ports', '25661-25670', '--max-duration', '3s')
    const load = await start(2, {}, ownClient)
    await untilMoving(load, 2)
    const [first] = pidsOf('-c', load.ports[0]!, own)
    await eventually(
      () => pidsOf('-c', load.ports[0]!, own)[0],
      (pid) => pid !== undefined && pid !== first,
    )
    await untilMoving(load, 2)
    expect([...load.serve.changes(), ...load.run.changes()]).toEqual([])
    load.stop()
    await Promise.all([load.serve.done, load.run.done])
  })

  test('a client that is killed is restarted and counted; the other flow continues', async () => {
    const load = await start(2)
    await untilMoving(load, 2)
    process.kill(pidsOf('-c', load.ports[0]!)[0]!, 'SIGKILL')
    await eventually(load.run.changes, (changes) => changes.some(({ running }) => running))
    await untilMoving(load, 2)
    const [change] = load.run.changes()
    expect(change).toMatchObject({ flowIndex: 0, running: false, restartCount: 1 })
    expect(change!.reason).toContain('SIGKILL')
    expect(load.run.changes().filter(({ flowIndex }) => flowIndex === 1)).toEqual([])
    load.stop()
    await Promise.all([load.serve.done, load.run.done])
  })

  test('a server that is killed is restarted on its port, and its client connects again', async () => {
    const load = await start(2)
    await untilMoving(load, 2)
    process.kill(pidsOf('-s', load.ports[1]!)[0]!, 'SIGKILL')
    await eventually(load.run.changes, (changes) => changes.some(({ running }) => running))
    await untilMoving(load, 2)
    expect(load.serve.changes()[0]).toMatchObject({ flowIndex: 1, running: false, restartCount: 1 })
    expect(load.serve.changes()[0]!.reason).toContain('SIGKILL')
    load.stop()
    await Promise.all([load.serve.done, load.run.done])
  })

  test('reports a port that another program has taken, and uses it again when it is free', async () => {
    const load = await start(1)
    await untilMoving(load, 1)
    const [port] = load.ports
    const otherProgram = createServer((socket) => socket.destroy())
    otherProgram.on('error', () => undefined)
    // The first one to listen gets the port: the server is killed until the other program has it.
    await eventually(
      () => {
        if (otherProgram.listening) return true
        for (const pid of pidsOf('-s', port!)) process.kill(pid, 'SIGKILL')
        return otherProgram.listen(port, '127.0.0.1').listening
      },
      (taken) => taken,
    )
    const reasons = () => load.serve.changes().map(({ reason }) => reason)
    await eventually(reasons, (all) => all.some((reason) => reason.includes(`taken port ${port}`)))
    await new Promise((resolve) => otherProgram.close(resolve))
    await untilMoving(load, 1)
    expect(load.serve.changes().at(-1)).toMatchObject({ running: true })
    load.stop()
    await Promise.all([load.serve.done, load.run.done])
  })

  test('a flow with a duration ends with a summary', async () => {
    const load = await start(2, { options: { ...OPTIONS, duration: { seconds: 3 } } })
    expect(await load.run.done).toBeUndefined()
    const results = load.run.events.at(-1)!.summary!.results
    expect(results.map(({ outcome }) => outcome)).toEqual(['OUTCOME_MEASURED', 'OUTCOME_MEASURED'])
    load.stop()
    await load.serve.done
  })

  test('refuses an exclusive test at the same time', async () => {
    const load = await start(1)
    const exclusive = openStream('Serve', { listeners: listeners(1) })
    expect((await exclusive.done)?.code).toBe(status.ABORTED)
    load.stop()
    await Promise.all([load.serve.done, load.run.done])
  })

  test('kill -9 of the agent leaves no process', async () => {
    const { own, ownClient } = await startSeparateAgent('--ports', '25651-25660')
    const load = await start(2, {}, ownClient)
    const programs = await eventually(
      () => measuringProgramsOf(own.pid).filter(({ command }) => command.includes('iperf3')),
      (found) => found.length === 4,
    )
    await own.stop('SIGKILL')
    await eventually(
      () => programs.filter(({ pid }) => alive(pid)),
      (left) => left.length === 0,
    )
    await Promise.all([load.serve.done, load.run.done])
  })

  test.each([
    ['Run', { flows: [], options: { ...OPTIONS, bytes: 1000 } }, 'options.bytes'],
    ['Run', { flows: [], options: { ...OPTIONS, direction: 'DIRECTION_REVERSE' } }, 'options.direction'],
    ['Serve', { listeners: listeners(1), interval: { nanos: 1e8 } }, 'interval'],
  ])('%s refuses options that are not for sustained traffic: %j', async (method, request, field) => {
    const flows = [{ address: '127.0.0.1', port: 25601, interface: 'lo' }]
    const error = await openStream(method, {
      ...request,
      ...('flows' in request ? { flows } : {}),
      sustained: true,
    }).done
    expect(error?.code).toBe(status.INVALID_ARGUMENT)
    expect(error?.details).toContain(field)
  })
})

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
