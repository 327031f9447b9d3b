import { type Tracer, trace } from '@opentelemetry/api'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../lib/clock.ts'
import { detectProgram } from './engines/detect-program.ts'
import { traceProcesses } from './process-tracing.ts'
import { createProcesses } from './processes.ts'

const bare = createProcesses({ logger: pino({ level: 'silent' }), clock: systemClock })
afterAll(() => bare.close())
const never = new AbortController().signal

const createTraced = () => {
  const spans: string[] = []
  const noop = trace.getTracer('test')
  const tracer = {
    startSpan: (name: string) => {
      spans.push(name)
      return noop.startSpan(name)
    },
  } as unknown as Tracer
  return { spans, processes: traceProcesses(bare, tracer) }
}

test('a program of a request has a span, one that nobody requested has none', async () => {
  const { spans, processes } = createTraced()
  await processes.run('true', [], { signal: never, deadlineSeconds: 5 })
  await processes.run('false', [], { signal: never, deadlineSeconds: 5, isUntraced: true })
  const child = await processes.start('true', [], { signal: never, deadlineSeconds: 5, isUntraced: true })
  await child.done
  expect(spans).toEqual(['process true'])
})

test('an optional program that is absent is detected without a process and without a span', async () => {
  const { spans, processes } = createTraced()
  let startCount = 0
  const counted = {
    ...processes,
    run: (...all: Parameters<typeof processes.run>) => {
      startCount++
      return processes.run(...all)
    },
  }
  const wanted = {
    name: 'netperf',
    program: 'netperf-absent',
    oldest: '2.7',
    versionArgs: ['-V'],
    versionPattern: /(\d)/,
    hint: 'install it',
  }
  expect(await detectProgram(counted, wanted, never)).toEqual({
    available: false,
    version: '',
    reasons: ['netperf-absent is not installed: install it'],
  })
  expect([spans, startCount]).toEqual([[], 0])
})

test('finds programs on PATH and by their path', async () => {
  expect(
    await Promise.all(['sh', '/bin/sh', 'no-such-program', '/etc/passwd'].map(bare.isInstalled)),
  ).toEqual([true, true, false, false])
})
