/** Probes that fping could not send and does not report, with stand-in programs that print fping's lines. */

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { type Clock, systemClock } from '../../../lib/clock.ts'
import { parseIpPrefix } from '../../../lib/ip-address.ts'
import { createProcesses } from '../../processes.ts'
import type { PingProbe, PingSource } from '../engine.ts'
import { planPing } from '../ping-request.ts'
import { fpingArgs, spreadSeconds } from './args.ts'
import { createFping } from './engine.ts'

const fastClock: Clock = {
  ...systemClock,
  sleep: (seconds, signal) => systemClock.sleep(seconds / 50, signal),
}
const processes = createProcesses(
  { logger: pino({ level: 'silent' }), clock: fastClock },
  { graceSeconds: 1 },
)
const folder = mkdtempSync(join(tmpdir(), 'meshgauge-fping-'))
afterAll(async () => {
  await processes.close()
  rmSync(folder, { recursive: true })
})

const nowhere: PingSource = { interface: '', addresses: [] }
const targets = [{ address: '10.0.0.1' }, { address: '10.0.0.2' }, { address: '10.0.0.3' }]
const programThat = (script: string) => {
  const path = join(folder, `fping-${Math.random().toString(36).slice(2)}`)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return createFping({ processes, clock: fastClock }, { agentPort: 1, programs: { fping: path } })
}
const take = async (probes: AsyncIterable<PingProbe>, most: number) => {
  const taken: PingProbe[] = []
  for await (const probe of probes) {
    taken.push(probe)
    if (taken.length === most) break
  }
  return taken
}
const never = new AbortController().signal

test('a target that only the total line mentions has lost all its probes', async () => {
  const engine = programThat(`
    echo '[1.0] 10.0.0.1 : [0], 64 bytes, 0.5 ms (0.5 avg, 0% loss)'
    echo '10.0.0.1 : xmt/rcv/%loss = 1/1/0%, min/avg/max = 0.5/0.5/0.5' >&2
    echo '10.0.0.2 : xmt/rcv/%loss = 1/0/100%' >&2
    exit 1`)
  const request = PingRequest.fromPartial({ targets: targets.slice(0, 2), count: 1 })
  const probes = await take(engine.ping(request, nowhere, never), 100)
  expect(probes.toSorted((a, b) => a.targetIndex - b.targetIndex)).toEqual([
    { targetIndex: 0, rttSeconds: 0.0005, refused: false, reason: '' },
    {
      targetIndex: 1,
      rttSeconds: undefined,
      refused: false,
      reason: expect.stringContaining('could not be sent'),
    },
  ])
})

test('in a continuous ping, the lines of other targets show what a silent target has lost', async () => {
  const lines = Array.from(
    { length: 6 },
    (_, n) => `echo '[1.0] 10.0.0.1 : [${n}], 64 bytes, 0.5 ms (0.5 avg, 0% loss)'`,
  )
  const engine = programThat(`${lines.join('\n')}\nexec sleep 100`)
  // The interval is long: the time without output cannot be what shows the loss.
  const request = PingRequest.fromPartial({ targets, continuous: true, interval: { seconds: 100_000 } })
  const probes = await take(engine.ping(request, nowhere, never), 10)
  expect(probes.filter((probe) => probe.targetIndex === 0)).toHaveLength(6)
  const lost = probes.filter((probe) => probe.targetIndex === 1)
  // Of the five probes before the last reported one, three may still be answered.
  expect(lost).toHaveLength(2)
  for (const probe of lost) expect(probe.rttSeconds).toBeUndefined()
})

test('in a continuous ping, the absence of output shows what all targets have lost', async () => {
  const request = PingRequest.fromPartial({ targets, continuous: true })
  // Like fping where nothing can be sent: it runs, and prints nothing.
  const probes = await take(programThat('while :; do :; done').ping(request, nowhere, never), 9)
  expect(probes.map((probe) => probe.targetIndex).toSorted()).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2])
  for (const probe of probes) expect(probe.rttSeconds).toBeUndefined()
})

test('an fping that does not run at all hangs, and no target has lost anything', async () => {
  for (const continuous of [true, false]) {
    const request = PingRequest.fromPartial({ targets, continuous })
    const error = await take(programThat('exec sleep 100').ping(request, nowhere, never), 9).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({
      name: 'EngineError',
      outcome: Outcome.OUTCOME_INVALID,
      programFault: { problem: 'hangs: it prints nothing and does not run' },
    })
  }
})

test('a continuous ping of a mesh ends when fping hangs, with the fault of the program', async () => {
  const request = PingRequest.fromPartial({ targets: [{ address: '10.0.0.1' }], continuous: true })
  const losses: unknown[] = []
  const engine = programThat("trap '' TERM; exec sleep 100")
  const error = await engine.pingContinuously!(request, nowhere, never, (index) => losses.push(index)).catch(
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({ programFault: { problem: 'hangs: it prints nothing and does not run' } })
  expect(losses).toEqual([])
})

test('an end without the totals is an engine error', async () => {
  const engine = programThat(`echo '[1.0] 10.0.0.1 : [0], 64 bytes, 0.5 ms (0.5 avg, 0% loss)'`)
  const request = PingRequest.fromPartial({ targets, count: 1 })
  await expect(take(engine.ping(request, nowhere, never), 100)).rejects.toMatchObject({
    name: 'EngineError',
    message: expect.stringContaining('without its summary'),
  })
})

const argsOf = (fields: Parameters<typeof PingRequest.fromPartial>[0], source = nowhere) =>
  fpingArgs(planPing(PingRequest.fromPartial({ targets, ...fields })), source).join(' ')

test('builds the command line', () => {
  expect(argsOf({})).toBe('-D -c 10 -p 1000 -t 1000 -i 10 -b 56 10.0.0.1 10.0.0.2 10.0.0.3')
  expect(argsOf({ continuous: true, count: 3 })).toContain('-D -l -p')
  expect(argsOf({ interval: { nanos: 20_000_000 }, timeout: { nanos: 5_000_000 } })).toContain(
    '-p 20 -t 5 -i 5.33',
  )
  expect(argsOf({ dontFragment: true, ttl: 3, tos: 16, sizeBytes: 1472 })).toContain('-b 1472 -M -H 3 -O 16')
})

test('binds to the interface, or else to an address of each family', () => {
  const addresses = ['10.0.0.9/24', 'fe80::1/64', 'fd00::9/64'].map((text) => parseIpPrefix(text)!)
  expect(argsOf({}, { interface: 'net0', addresses })).toContain('-I net0 10.0.0.1')
  const both = { targets: [...targets, { address: 'fd00::1' }] }
  expect(argsOf(both, { interface: '', addresses })).toContain('-S 10.0.0.9 -S fd00::9 10.0.0.1')
})

test('all targets fit into 80 % of a period', () => {
  for (const length of [1, 10, 1000, 10_000]) {
    const plan = planPing(
      PingRequest.fromPartial({ targets: new Array(length).fill({ address: '10.0.0.1' }) }),
    )
    expect(spreadSeconds(plan) * length).toBeLessThanOrEqual(0.8)
  }
})
