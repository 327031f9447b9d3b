import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import { describe, expect, test } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { openIndependentClient } from '../testing/independent-client.ts'
import { assignment, openMesh } from '../testing/mesh-stream.ts'
import { measuringProgramsOf, processes } from '../testing/process-tree.ts'
import { startAgent } from '../testing/service-process.ts'

describe('a failure of the engine', () => {
  test('is reported with its reason, is no loss, and is retried', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'meshgauge-mesh-'))
    const program = join(folder, 'fping')
    const own = await startAgent('--program', `fping=${program}`)
    const caller = openIndependentClient(own.port)
    try {
      const mesh = openMesh(caller, assignment([1]))
      await mesh.until(({ batches }) =>
        batches.some(({ problems }) => problems?.[0]?.reason.includes('not installed')),
      )
      expect(mesh.seen.engines).toEqual([])
      expect(mesh.seen.windows).toEqual([])
      writeFileSync(program, '#!/bin/sh\nexec fping "$@"\n')
      chmodSync(program, 0o755)
      await mesh.until(() => mesh.windowsOf(1).length > 1)
      await mesh.until(({ batches }) => (batches.at(-1)!.problems ?? []).length === 0)
      const before = measuringProgramsOf(own.pid)[0]!.pid
      process.kill(before, 'SIGKILL')
      await mesh.until(({ batches }) =>
        batches.some(({ problems }) => problems?.[0]?.reason.includes('SIGKILL')),
      )
      const now = Date.now() / 1000
      await mesh.until(() => mesh.windowsOf(1).some(({ start }) => start > now))
      await mesh.end()
      for (const { sent, received } of mesh.seen.windows) expect(received).toBe(sent)
    } finally {
      caller.close()
      await own.stop('SIGTERM')
      rmSync(folder, { recursive: true })
    }
  })
})

describe('no process is left', () => {
  test.each(['SIGTERM', 'SIGKILL'] as const)('when the agent gets %s', async (signal) => {
    const own = await startAgent()
    const caller = openIndependentClient(own.port)
    const mesh = openMesh(caller, assignment([1, 2]))
    await mesh.until(() => mesh.windowsOf(1).length > 0)
    const pids = measuringProgramsOf(own.pid).map(({ pid }) => pid)
    expect(pids).toHaveLength(1)
    await own.stop(signal)
    await mesh.done
    expect(mesh.seen.failure!.code).toBe(status.UNAVAILABLE)
    caller.close()
    await eventually(
      () => processes().filter(({ pid }) => pids.includes(pid)),
      (found) => found.length === 0,
    )
  })
})
