/** RunCheck of an agent that is started like by a user, called by a client without shared code. */

import { type ServiceError, status } from '@grpc/grpc-js'
import { afterEach, describe, expect, test } from 'vitest'
import { CheckServiceDefinition } from '#proto/meshgauge/agent/v1/check.ts'
import { createServiceClient, openChannel } from '../../lib/calling.ts'
import { eventually } from '../../test/testing/eventually.ts'
import { type IndependentClient, openIndependentClient } from '../../test/testing/independent-client.ts'
import { processes } from '../../test/testing/process-tree.ts'
import { type ServiceProcess, startService } from '../../test/testing/service-process.ts'
import { createMachine, gpuMachine, type Machine, misbehaving } from './testing/machine.ts'

const CHECK = 'meshgauge.agent.v1.CheckService'

type Result = {
  status: string
  reasons?: string[]
  evidence?: { subject: string; name: string; status: string; fatal?: boolean }[]
  rawOutput?: string
}

type Value = number | string | boolean | string[]
const toValue = (value: Value): object =>
  Array.isArray(value)
    ? { listValue: { values: value.map(toValue) } }
    : {
        [typeof value === 'number'
          ? 'numberValue'
          : typeof value === 'boolean'
            ? 'boolValue'
            : 'stringValue']: value,
      }

const opened: { agent: ServiceProcess; client: IndependentClient; machine: Machine }[] = []

const start = async (machine: Machine, env: Record<string, string> = {}) => {
  const programs = Object.entries(machine.programs).flatMap(([name, path]) => [
    '--program',
    `${name}=${path}`,
  ])
  const args = [
    'agent',
    '--node',
    'n1',
    '--listen',
    '127.0.0.1:0',
    '--interface',
    'lo=127.0.0.1',
    ...programs,
  ]
  const agent = await startService(args, env)
  const client = openIndependentClient(agent.port)
  opened.push({ agent, client, machine })
  const ask = async (check: string, parameters: Record<string, Value> = {}): Promise<Result> => {
    const fields = Object.fromEntries(Object.entries(parameters).map(([key, value]) => [key, toValue(value)]))
    const { result } = await client.call<{ result: Result }>(CHECK, 'RunCheck', {
      check,
      parameters: { fields },
    })
    return result
  }
  const refusal = (check: string, parameters: Record<string, Value> = {}): Promise<ServiceError> =>
    ask(check, parameters).then(
      () => Promise.reject(new Error('it was not refused')),
      (error: ServiceError) => error,
    )
  return { agent, client, ask, refusal }
}

/** The processes that the agent has started, except its guard. */
const leftovers = (agent: ServiceProcess) => {
  const all = processes()
  const found: number[] = []
  const queue = [agent.pid]
  while (queue.length > 0) {
    const parent = queue.shift()
    for (const child of all) {
      if (child.parent !== parent) continue
      queue.push(child.pid)
      // The guard ends with the agent.
      if (!/^sh -c /.test(child.command) && !/node/.test(child.command)) found.push(child.pid)
    }
  }
  return found
}

const nothingLeft = (agent: ServiceProcess) =>
  eventually(
    () => leftovers(agent),
    (found) => found.length === 0,
  )

afterEach(async () => {
  for (const { agent, client, machine } of opened.splice(0)) {
    await nothingLeft(agent)
    client.close()
    await agent.stop('SIGTERM')
    machine.remove()
  }
})

describe('a machine with eight GPUs', () => {
  test('runs all GPU checks, in any language of the agent', async () => {
    const machine = gpuMachine('a100-8').has('bandwidthTest', 'gpucheck', 'dcgmi')
    const { ask } = await start(machine, { LC_ALL: 'de_DE.UTF-8', LANG: 'de_DE.UTF-8' })
    expect(await ask('pciebw')).toMatchObject({
      status: 'CHECK_STATUS_FAIL',
      reasons: ['4: only 3.1 GB/s from host to GPU, less than 4 GB/s'],
    })
    expect(await ask('remapped')).toMatchObject({ status: 'CHECK_STATUS_FAIL' })
    expect(await ask('gpupower')).toMatchObject({ status: 'CHECK_STATUS_FAIL' })
    expect(await ask('gpumem')).toMatchObject({ status: 'CHECK_STATUS_PASS' })
    expect(await ask('dcgm', { level: 2 })).toMatchObject({ status: 'CHECK_STATUS_PASS' })
  })

  test('marks a fatal finding, and returns the raw output', async () => {
    const machine = gpuMachine('a100-8').has('dcgmi').replays('dcgmi.txt', 'dcgm/3.3-pcie.txt', 226)
    const { ask } = await start(machine)
    const result = await ask('dcgm', { level: 2 })
    expect(result.evidence!.find(({ fatal }) => fatal)).toMatchObject({ subject: '3', name: 'pcie' })
    expect(result.rawOutput).toContain('"DCGM GPU Diagnostic"')
  })

  test('limits the raw output in bytes, without broken characters', async () => {
    const machine = gpuMachine('h100-8')
      .has('dcgmi')
      .prints('dcgmi.txt', `x${'é'.repeat(999)}\n`.repeat(100), 1)
    const { ask } = await start(machine)
    const { rawOutput } = await ask('dcgm')
    expect(Buffer.byteLength(rawOutput!)).toBeLessThanOrEqual(64 * 1024)
    expect(Buffer.byteLength(rawOutput!)).toBeGreaterThan(63 * 1024)
    expect(rawOutput).not.toContain('\ufffd')
  })
})

describe('a machine without these programs', () => {
  test('every check returns a result or a reason; none fails for a missing program', async () => {
    const machine = createMachine()
    const { client, ask } = await start(machine)
    type Listed = { checks: { name: string; reasons?: string[]; budget: object }[] }
    const { checks } = await client.call<Listed>(CHECK, 'ListChecks', {})
    expect(checks.map(({ name }) => name)).toEqual([
      'clock',
      'dcgm',
      'disk',
      'gpumem',
      'gpupower',
      'host',
      'interfaces',
      'iperf',
      'pciebw',
      'ping',
      'pvc',
      'reachability',
      'remapped',
    ])
    for (const { name, reasons = [] } of checks) {
      const result = await ask(name, name === 'reachability' ? { targets: ['127.0.0.3'] } : {})
      if (reasons.length > 0) expect(result).toMatchObject({ status: 'CHECK_STATUS_SKIPPED', reasons })
      // A finding about the machine that runs this test does not fail the test.
      expect(result.status).not.toBe('CHECK_STATUS_ERROR')
    }
    expect(checks.find(({ name }) => name === 'dcgm')!.reasons).toHaveLength(2)
  })

  test('refuses an address that this agent may not measure', async () => {
    const { refusal } = await start(createMachine())
    for (const check of ['ping', 'reachability']) {
      const error = await refusal(check, { targets: ['192.0.2.1'] })
      expect([error.code, error.details]).toEqual([
        status.PERMISSION_DENIED,
        expect.stringMatching(/192\.0\.2\.1/),
      ])
    }
  })

  test('refuses a threshold with a wrong unit, and names all other violations too', async () => {
    const { refusal } = await start(createMachine())
    const error = await refusal('pciebw', { threshold: '4Gb/s', timeout: '5 mins', thresold: 4 })
    expect(error.code).toBe(status.INVALID_ARGUMENT)
    expect(error.details).toMatch(/parameters\.threshold: is not a byte rate; write "4GB\/s"/)
    expect(error.details).toMatch(/parameters\.timeout: "5 mins" is not valid; write 500ms/)
    expect(error.details).toMatch(/parameters\.thresold: pciebw has no such parameter/)
    const others: [string, Record<string, Value>, RegExp][] = [
      ['dcgm', { level: 5 }, /parameters\.level/],
      ['dcgm', { level: '3' }, /parameters\.level/],
      ['clock', { warn_offset: '10' }, /parameters\.warn_offset: "10" is not valid; write 500ms/],
      ['disk', { warn_space: 0.9 }, /parameters\.warn_space: must be text with a unit, such as "5%"/],
      ['host', { warn_memory: '500%' }, /parameters\.warn_memory/],
      ['gpumen', {}, /did you mean gpumem\?/],
    ]
    for (const [check, parameters, words] of others)
      expect((await refusal(check, parameters)).details).toMatch(words)
  })
})

describe('a driver that hangs', () => {
  test.each(['hangs', 'ignores-sigterm', 'forks'])(
    'nvidia-smi %s: the budget ends it, and no process is left',
    async (how) => {
      const { agent, ask } = await start(
        createMachine('h100-8').has('dcgmi').replace('nvidia-smi', misbehaving(how)),
      )
      for (const check of ['remapped', 'dcgm']) {
        const result = await ask(check, { timeout: '1s' })
        expect(result).toMatchObject({ status: 'CHECK_STATUS_ERROR', reasons: ['not done after 1.0 s'] })
        expect(leftovers(agent)).toEqual([])
      }
    },
  )

  /** Starts a call that can be cancelled. The independent client has no cancellation. */
  const askAndLeave = (agent: ServiceProcess, check: string) => {
    const channel = openChannel(`127.0.0.1:${agent.port}`, {})
    const leaving = new AbortController()
    const call = { signal: leaving.signal, deadline: 200_000 }
    const ended = createServiceClient(CheckServiceDefinition, channel)
      .runCheck({ check }, call)
      .then(
        () => 'answered',
        () => 'left',
      )
      .finally(() => channel.close())
    return { ended, leave: () => leaving.abort() }
  }

  test('a caller that cancels ends the check', async () => {
    const { agent } = await start(createMachine().replace('nvidia-smi', misbehaving('hangs')))
    const caller = askAndLeave(agent, 'remapped')
    await eventually(
      () => leftovers(agent),
      (found) => found.length === 1,
    )
    caller.leave()
    expect(await caller.ended).toBe('left')
    await nothingLeft(agent)
  })

  // 10,000 calls take 25 s with four busy loops on two cores.
  const realTimeProcesses = { timeout: 240_000 }
  test(
    'of 10,000 overlapping requests one runs, the others are refused, and no process is left',
    realTimeProcesses,
    async () => {
      const { agent, refusal } = await start(createMachine().replace('nvidia-smi', misbehaving('hangs')))
      const first = askAndLeave(agent, 'remapped')
      await eventually(
        () => leftovers(agent),
        (found) => found.length === 1,
      )
      const errors = await Promise.all(Array.from({ length: 10_000 }, () => refusal('remapped')))
      expect(new Set(errors.map(({ code }) => code))).toEqual(new Set([status.ABORTED]))
      expect(errors[0]!.details).toMatch(/check remapped has been running on this node for/)
      expect(leftovers(agent)).toHaveLength(1)
      first.leave()
      expect(await first.ended).toBe('left')
    },
  )

  test('checks that load the GPUs do not run at the same time; other checks do', async () => {
    const machine = gpuMachine('h100-8').has('dcgmi').replace('gpucheck', misbehaving('hangs'))
    const { agent, ask, refusal } = await start(machine)
    const loading = ask('gpumem', { timeout: '3s' })
    await eventually(
      () => leftovers(agent),
      (found) => found.length > 0,
    )
    const error = await refusal('dcgm')
    expect([error.code, error.details]).toEqual([
      status.ABORTED,
      expect.stringMatching(/check gpumem has been running/),
    ])
    expect((await ask('remapped')).status).toBe('CHECK_STATUS_PASS')
    await loading
    expect((await ask('dcgm')).status).toBe('CHECK_STATUS_PASS')
  })
})
