import { setImmediate } from 'node:timers/promises'
import { metrics as api } from '@opentelemetry/api'
import { Gauge, Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createMetrics, type Metrics } from '../catalogue/metrics.ts'
import { formatOf, renderMetrics } from './exposition.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'

let metrics: Metrics
beforeEach(() => {
  metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1.2.3' })
})
afterEach(() => metrics.close())

const render = async (format: 'text' | 'openmetrics') => String(await renderMetrics(metrics.registry, format))

describe('the format', () => {
  test.each([
    [
      'Prometheus 2.42',
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      'openmetrics',
    ],
    [
      'Prometheus 3',
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'openmetrics',
    ],
    ['a browser', 'text/html,application/xhtml+xml,*/*;q=0.8', 'text'],
    ['curl', '*/*', 'text'],
    ['no header', undefined, 'text'],
    ['the text format only', 'text/plain;version=0.0.4', 'text'],
    ['the text format preferred', 'application/openmetrics-text;q=0.2, text/plain', 'text'],
    ['OpenMetrics in mixed case', 'Application/OpenMetrics-Text', 'openmetrics'],
    ['a future version', 'application/openmetrics-text;version=7.0.0', 'text'],
  ] as const)('for %s', (_, accept, format) => {
    expect(formatOf(accept)).toBe(format)
  })
})

describe('the output', () => {
  test('equals the output of prom-client in the text format, except for empty lines', async () => {
    metrics.runs.add({ test: 'ping', topology: 'ring', state: 'completed' }, 3, TRACE)
    metrics.dispatchLag.observe({}, 0.3, TRACE)
    metrics.nodeUp.set({ node: 'with "quotes",\n a \\ and a line' }, 1)
    const comparable = (text: string) =>
      text.split('\n').filter((line) => line !== '' && !/^(process|nodejs)_|event_loop_delay/.test(line))
    // The first read sets the values of some gauges.
    await render('text')
    expect(comparable(await render('text'))).toEqual(comparable(await metrics.registry.metrics()))
  })

  test('has exemplars only in OpenMetrics, on counters and on the bucket of the value', async () => {
    metrics.runs.add({ test: 'ping', topology: 'ring', state: 'completed' }, 1, TRACE)
    metrics.runDuration.observe({ test: 'ping' }, 3, TRACE)
    metrics.runDuration.observe({ test: 'iperf' }, 3)
    const text = await render('openmetrics')
    const exemplar = String.raw` # \{trace_id="${TRACE}"\}`
    expect(text).toMatch(
      new RegExp(String.raw`^meshgauge_runs_total\{[^}]*\} 1${exemplar} 1 \d+(\.\d+)?$`, 'm'),
    )
    expect(text).toMatch(
      new RegExp(
        String.raw`^meshgauge_run_duration_seconds_bucket\{le="5",test="ping"\} 1${exemplar} 3 \d+(\.\d+)?$`,
        'm',
      ),
    )
    expect(text).toMatch(/^meshgauge_run_duration_seconds_bucket\{le="10",test="ping"\} 1$/m)
    expect(text).toMatch(/^meshgauge_run_duration_seconds_bucket\{le="5",test="iperf"\} 1$/m)
    expect(text.match(/ # \{/g)).toHaveLength(2)
    expect(await render('text')).not.toContain(' # {')
  })

  test('follows the rules of OpenMetrics for counters and the end of the output', async () => {
    metrics.runs.add({ test: 'ping', topology: 'ring', state: 'completed' })
    const text = await render('openmetrics')
    expect(text).toContain('\n# TYPE meshgauge_runs counter\nmeshgauge_runs_total{')
    for (const family of text.split('# HELP ').filter((part) => / counter$/m.test(part))) {
      const name = family.split(' ', 1)[0]!
      expect(name).not.toMatch(/_total$/)
      const samples = family
        .split('\n')
        .slice(2, -1)
        .filter((line) => line !== '# EOF')
      for (const sample of samples) expect(sample).toMatch(new RegExp(`^${name}_total[{ ]`))
    }
    expect(text).not.toContain('\n\n')
    expect(text.endsWith('\n# EOF\n')).toBe(true)
    expect(text.match(/# EOF/g)).toHaveLength(1)
    expect(await render('text')).not.toContain('# EOF')
  })

  test('writes special numbers as both formats require', async () => {
    const registry = new Registry()
    const gauge = new Gauge({ name: 'g', help: 'Help.', labelNames: ['n'], registers: [registry] })
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e21, 5e-324])
      gauge.set({ n: String(value) }, value)
    const text = String(await renderMetrics(registry, 'openmetrics'))
    expect(
      text
        .split('\n')
        .slice(2, 7)
        .map((line) => line.split(' ')[1]),
    ).toEqual(['NaN', '+Inf', '-Inf', '1e+21', '5e-324'])
  })

  test('yields to other work while it is written', async () => {
    for (let n = 0; n < 15_000; n++) metrics.nodeUp.set({ node: `node-${n}` }, 1)
    let [turns, done] = [0, false]
    const writing = render('text').then(() => {
      done = true
    })
    while (!done) {
      await setImmediate()
      turns++
    }
    await writing
    expect(turns).toBeGreaterThan(1)
  })
})
