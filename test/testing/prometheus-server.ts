import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ExecaError, execa } from 'execa'
import { eventually } from './eventually.ts'

/** One exemplar of a series. */
type Exemplar = { series: Record<string, string>; traceId: string | undefined; value: number }

/** One series of an instant query. */
type Sample = { labels: Record<string, string>; value: number }

export type Prometheus = {
  /** The base URL of its web page and API. */
  url: string
  /** Runs an instant query in PromQL. */
  query(expression: string): Promise<Sample[]>
  /** Returns the exemplars of the last hour. */
  exemplars(expression: string): Promise<Exemplar[]>
  /** Repeats the query until its result is not empty. After the timeout (default 60 s) rejects with the targets' errors. */
  waitFor(expression: string, options?: { timeoutSeconds?: number }): Promise<Sample[]>
  /** Waits until every rule was evaluated at least `seconds` from now. A pending alert may fire until then. */
  evaluated(seconds: number): Promise<void>
  close(): Promise<void>
}

const INSTALL = 'apt-get install --yes --no-install-recommends prometheus'
const RULES = 'rules.yml'
const START_SECONDS = 60
const POLL_SECONDS = 0.2

/** Replaces the error of a program that is not installed by one that says how to install it. */
export const missing = (error: unknown, program: string): unknown =>
  error instanceof ExecaError && error.code === 'ENOENT'
    ? new Error(`${program} is not installed; as root: ${INSTALL}`)
    : error

/** The findings of `promtool check metrics` for a text of metrics; empty when there are none. */
export const lintMetrics = async (text: string): Promise<string> => {
  try {
    const { stdout, stderr } = await execa('promtool', ['check', 'metrics'], { input: text })
    return `${stdout}${stderr}`
  } catch (error) {
    if (error instanceof ExecaError && error.exitCode !== undefined) return `${error.stdout}${error.stderr}`
    throw missing(error, 'promtool')
  }
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

const configuration = (
  targets: readonly string[],
  seconds: number,
  alertmanager: string | undefined,
): string =>
  // JSON is valid YAML.
  JSON.stringify({
    global: {
      scrape_interval: `${seconds}s`,
      scrape_timeout: `${seconds}s`,
      evaluation_interval: `${seconds}s`,
    },
    rule_files: [RULES],
    ...(alertmanager
      ? { alerting: { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] } }
      : {}),
    scrape_configs: [{ job_name: 'meshgauge', static_configs: [{ targets }] }],
  })

type Answer = { status: string; error?: string; data: { result: RawSample[] } }
type RawSample = { metric: Record<string, string>; value: [number, string] }
type Groups = { data: { groups: { name: string; lastEvaluation: string }[] } }
type Targets = { data: { activeTargets: { scrapeUrl: string; health: string; lastError: string }[] } }

const getJson = async <T>(url: string): Promise<T> => {
  const response = await fetch(url)
  return (await response.json()) as T
}

const query = async (url: string, expression: string): Promise<Sample[]> => {
  const answer = await getJson<Answer>(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)
  if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`)
  return answer.data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
}

type ExemplarAnswer = {
  data: {
    seriesLabels: Record<string, string>
    exemplars: { labels: Record<string, string>; value: string }[]
  }[]
}

const exemplars = async (url: string, expression: string): Promise<Exemplar[]> => {
  const now = Date.now() / 1000
  const range = `start=${now - 3600}&end=${now + 60}`
  const { data } = await getJson<ExemplarAnswer>(
    `${url}/api/v1/query_exemplars?query=${encodeURIComponent(expression)}&${range}`,
  )
  return data.flatMap(({ seriesLabels, exemplars: found }) =>
    found.map(({ labels, value }) => ({
      series: seriesLabels,
      traceId: labels.trace_id,
      value: Number(value),
    })),
  )
}

const evaluated = async (url: string, seconds: number): Promise<void> => {
  const end = Date.now() + seconds * 1000
  await eventually(
    async () => (await getJson<Groups>(`${url}/api/v1/rules`)).data.groups,
    (groups) => groups.every(({ lastEvaluation }) => Date.parse(lastEvaluation) > end),
  )
}

const describeTargets = async (url: string): Promise<string> => {
  const { data } = await getJson<Targets>(`${url}/api/v1/targets`)
  return data.activeTargets
    .map(({ scrapeUrl, health, lastError }) => `${scrapeUrl} is ${health} ${lastError}`.trimEnd())
    .join('; ')
}

/**
 * Starts Prometheus, which scrapes /metrics of each target `host:port`. Rejects with the command to install it when it is
 * missing. close() ends it and deletes its data.
 */
export const startPrometheus = async ({
  targets,
  scrapeSeconds = 1,
  rules = { groups: [] },
  alertmanager,
}: {
  targets: readonly string[]
  scrapeSeconds?: number
  /** The content of a rule file. */
  rules?: unknown
  /** host:port of the Alertmanager that receives the alerts. */
  alertmanager?: string
}): Promise<Prometheus> => {
  const folder = await mkdtemp(join(tmpdir(), 'meshgauge-prometheus-'))
  const config = join(folder, 'prometheus.yml')
  await writeFile(config, configuration(targets, scrapeSeconds, alertmanager))
  await writeFile(join(folder, RULES), JSON.stringify(rules))
  const address = `127.0.0.1:${await freePort()}`
  const url = `http://${address}`
  const child = execa(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=warn',
      // With it, Prometheus requests OpenMetrics and stores exemplars, which link a value to a trace.
      '--enable-feature=exemplar-storage',
    ],
    { forceKillAfterDelay: 5000 },
  )
  // Set when the program ends before close(), with its output.
  let failure: unknown
  const ended = child.catch((error: unknown) => {
    failure = missing(error, 'prometheus')
  })
  const close = async () => {
    child.kill()
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  const ready = () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  for (let waited = 0; !(await ready()); waited += POLL_SECONDS) {
    if (failure || waited > START_SECONDS) {
      await close()
      throw failure ?? new Error(`prometheus was not ready within ${START_SECONDS} s`)
    }
    await sleep(POLL_SECONDS * 1000)
  }
  return {
    url,
    query: (expression) => query(url, expression),
    exemplars: (expression) => exemplars(url, expression),
    evaluated: (seconds) => evaluated(url, seconds),
    waitFor: async (expression, { timeoutSeconds = 60 } = {}) => {
      for (let waited = 0; waited < timeoutSeconds; waited += POLL_SECONDS) {
        const samples = await query(url, expression)
        if (samples.length > 0) return samples
        await sleep(POLL_SECONDS * 1000)
      }
      throw new Error(`${expression} has no result after ${timeoutSeconds} s; ${await describeTargets(url)}`)
    },
    close,
  }
}
