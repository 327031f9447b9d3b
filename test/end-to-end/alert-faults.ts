/** Faults of hosts, disks, clocks and collectors, for the tests of alerts. */

import { rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { vi } from 'vitest'
import { stringify } from 'yaml'
import { waitHealthy } from '../../cli/lab/readiness.ts'
import { openSqliteStore } from '../../collector/store/sqlite/store.ts'
import { freeTestAddress } from '../testing/test-address.ts'

const MESHGAUGE = new URL('../../cli/meshgauge', import.meta.url).pathname

/** Mounts a small file system for a store, which a test can fill completely. */
export const mountSmallDisk = async (megabytes: number) => {
  const folder = await mkdtemp(join(tmpdir(), 'meshgauge-disk-'))
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder])
  const filler = join(folder, 'filler')
  return {
    folder,
    /** Fills the remaining space with a file. Call it repeatedly, because the store frees some of its space. */
    fill: (): void => {
      const piece = Buffer.alloc(16 * 1024)
      try {
        for (;;) writeFileSync(filler, piece, { flag: 'a' })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    },
    free: (): void => rmSync(filler),
    unmount: async () => {
      await execa('umount', ['--lazy', folder])
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Stops a process `times` times for `milliseconds`, with pauses of the same length, as on an overloaded host. */
export const stutter = async (pid: number, milliseconds: number, times: number): Promise<void> => {
  for (let time = 0; time < times; time++) {
    process.kill(pid, 'SIGSTOP')
    await sleep(milliseconds)
    process.kill(pid, 'SIGCONT')
    await sleep(milliseconds)
  }
}

/** NODE_OPTIONS for a process whose wall clock is wrong by `seconds`. Its timers are not affected. */
export const clockOffsetOption = (seconds: number): string => {
  const source = `const RealDate = Date
    const now = () => RealDate.now() + ${seconds * 1000}
    globalThis.Date = class extends RealDate {
      constructor(...given) { given.length === 0 ? super(now()) : super(...given) }
      static now() { return now() }
    }`
  return `--import=data:text/javascript;base64,${Buffer.from(source).toString('base64')}`
}

/** A window with many distinct round-trip times, which needs much space in the store. */
const COUNTS = Array.from({ length: 120 }, (_, index) => 130 + index)
const PATHS = 80
const WINDOW_MS = 10_000

/** Creates a store of at least `bytes` with windows of the last 12 hours that are not sorted or rolled up yet. */
export const writeFullStore = (file: string, bytes: number): void => {
  const store = openSqliteStore(file)
  const paths = Array.from({ length: PATHS }, (_, index) =>
    store.pathId({ source: `old-${index}`, destination: 'old', interface: 'net0' }),
  )
  for (let startMs = Date.now() - 12 * 3_600_000; store.info().sizeBytes < bytes; startMs += WINDOW_MS)
    store.putWindows(
      paths.map((path) => ({
        path,
        startMs,
        endMs: startMs + WINDOW_MS,
        sentCount: 30_000,
        receivedCount: 30_000,
        rttMinSeconds: 1e-4 * (1 + Math.random()),
        rttMaxSeconds: 3e-4 * (1 + Math.random()),
        rttSumSeconds: 6 * (1 + Math.random()),
        jitterSeconds: 3e-5 * Math.random(),
        histogramOffset: -426,
        histogramCounts: COUNTS.map((count) => count + Math.floor(Math.random() * 1000)),
      })),
      [],
    )
  store.close()
}

/** Creates a second collector for the same agents, like a forgotten one on another host. */
export const createSecondCollector = async (config: Record<string, unknown>) => {
  const folder = await mkdtemp(join(tmpdir(), 'meshgauge-second-'))
  const file = join(folder, 'fleet.yaml')
  const listen = await freeTestAddress('collector', { second: true })
  const http = await freeTestAddress('metrics', { second: true })
  let child: ReturnType<typeof launch> | undefined
  const launch = (env: Record<string, string>) =>
    execa(MESHGAUGE, ['collector', '--config', file], { reject: false, all: true, env })
  const stop = async () => {
    child?.kill()
    await child
    child = undefined
  }
  return {
    http,
    store: join(folder, 'meshgauge.db'),
    stop,
    /** Starts it, or restarts it with changes to its config and environment. */
    start: async (changes: Record<string, unknown> = {}, environment: Record<string, string> = {}) => {
      await stop()
      const store = join(folder, 'meshgauge.db')
      await writeFile(file, stringify({ listen, http, store, insecure: true, ...config, ...changes }))
      const started = launch(environment)
      child = started
      const ended = started.then(({ all }) => {
        throw new Error(`the second collector has ended:\n${all}`)
      })
      const healthy = vi.waitFor(() => waitHealthy(listen, AbortSignal.timeout(2000)), { timeout: 60_000 })
      await Promise.race([healthy, ended])
    },
    close: async () => {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
