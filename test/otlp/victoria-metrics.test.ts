import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createMetrics } from '../../collector/telemetry/catalogue/metrics.ts'
import { renderMetrics } from '../../collector/telemetry/expose/exposition.ts'
import { createMetricReader } from '../../collector/telemetry/expose/otlp-reader.ts'
import { createObserver } from '../../collector/telemetry/observe/observer.ts'
import { findProgram } from '../programs.ts'
import { observeEverything } from '../prometheus/everything.ts'
import { freePort } from '../prometheus/prometheus.ts'
import { readSamples } from './samples.ts'

const program = findProgram('victoria-metrics')
const NONE = 'victoria-metrics is missing; run `sh deploy/local/setup.sh --test` where Debian is reachable'

/** A backend that we did not write takes what we send, and has under every name what /metrics shows. */
describe.skipIf(!program)(program ? 'VictoriaMetrics' : `VictoriaMetrics (skipped: ${NONE})`, () => {
  let folder: string
  let url: string
  let server: ReturnType<typeof start>
  const start = (address: string) =>
    execa(program!, [`-storageDataPath=${folder}`, `-httpListenAddr=${address}`, '-loggerLevel=ERROR'], {
      reject: false,
      forceKillAfterDelay: 5000,
    })

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meshgauge-victoria-'))
    const address = `127.0.0.1:${await freePort()}`
    url = `http://${address}`
    server = start(address)
    const healthy = () =>
      fetch(`${url}/health`).then(
        ({ ok }) => ok,
        () => false,
      )
    await vi.waitUntil(healthy, { timeout: 60_000, interval: 100 })
  })
  afterAll(async () => {
    server?.kill()
    await server
    await rm(folder, { recursive: true, force: true })
  })

  type Exported = { metric: { __name__: string; [label: string]: string }; values: number[] }
  const stored = async () => {
    await fetch(`${url}/internal/force_flush`)
    const match = encodeURIComponent('{__name__=~"(meshgauge|autopilot|process|nodejs)_.*"}')
    const text = await (await fetch(`${url}/api/v1/export?match[]=${match}`)).text()
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Exported)
  }

  test('has every series of /metrics, with its value, and knows who sent it', async () => {
    const exporter = new OTLPMetricExporter({ url: `${url}/opentelemetry/v1/metrics` })
    const provider = new MeterProvider({ readers: [createMetricReader(exporter, {})] })
    const metrics = createMetrics({ meter: provider.getMeter('test') }, { version: '1.2.3' })
    observeEverything(metrics, createObserver({ metrics }))
    await provider.forceFlush()
    await expect.poll(async () => (await stored()).length).toBeGreaterThan(100)

    const scraped = readSamples(String(await renderMetrics(metrics.registry, 'text')))
    const keyOf = (name: string, labels: Record<string, string>) =>
      `${name} ${JSON.stringify(
        Object.entries(labels)
          // What the resource says is on every series; a label without a value is none.
          .filter(
            ([label, value]) =>
              value !== '' && !/^(service|host|telemetry|scope|otel|process)[._]/.test(label),
          )
          .sort(),
      )}`
    // The process lives on between the two; buckets have bounds that each writes in its own way.
    const compared = (name: string) => !/^(process|nodejs)_|event_loop_delay|_bucket$/.test(name)
    const sent = Object.fromEntries(
      (await stored())
        .filter(({ metric }) => compared(metric.__name__))
        .map(
          ({ metric: { __name__, ...labels }, values }) => [keyOf(__name__, labels), values.at(-1)!] as const,
        ),
    )
    const shown = Object.fromEntries(
      scraped
        .filter(({ name }) => compared(name))
        .map(({ name, attributes, value }) => [keyOf(name, attributes), value] as const),
    )
    expect(sent).toEqual(shown)
    expect(Object.keys(shown).length).toBeGreaterThan(100)
    const names = new Set((await stored()).map(({ metric }) => metric.__name__))
    expect(names).toContain('process_resident_memory_bytes')
    expect(names).toContain('meshgauge_run_duration_seconds_bucket')
    await provider.shutdown()
    metrics.close()
  })
})
