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
import { findProgram } from '../testing/find-program.ts'
import { observeAllMetrics } from '../testing/observe-all-metrics.ts'
import { freePort } from '../testing/prometheus-server.ts'
import { readSamples } from './prometheus-text.ts'

const program = findProgram('victoria-metrics')
const NONE = 'victoria-metrics is missing; run `sh deploy/local/setup.sh --test` where Debian is reachable'

/** VictoriaMetrics, an independent OTLP backend, stores what is exported: the same names and values as on /metrics. */
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

  test('has every series of /metrics with its value and its resource attributes', async () => {
    const exporter = new OTLPMetricExporter({ url: `${url}/opentelemetry/v1/metrics` })
    const provider = new MeterProvider({ readers: [createMetricReader(exporter, {})] })
    const metrics = createMetrics({ meter: provider.getMeter('test') }, { version: '1.2.3' })
    observeAllMetrics(metrics, createObserver({ metrics }))
    await provider.forceFlush()
    await expect.poll(async () => (await stored()).length).toBeGreaterThan(100)

    const scraped = readSamples(String(await renderMetrics(metrics.registry, 'text')))
    const keyOf = (name: string, labels: Record<string, string>) =>
      `${name} ${JSON.stringify(
        Object.entries(labels)
          // Every series has the resource attributes as labels. VictoriaMetrics drops labels with empty values.
          .filter(
            ([label, value]) =>
              value !== '' && !/^(service|host|telemetry|scope|otel|process)[._]/.test(label),
          )
          .sort(),
      )}`
    // Metrics of the process change between the two reads, and each side formats bucket bounds differently.
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
