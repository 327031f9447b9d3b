import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { freePort } from './prometheus-server.ts'

/** An alert as Alertmanager sends it to a webhook. */
export type Notification = {
  status: 'firing' | 'resolved'
  labels: Record<string, string>
  annotations: Record<string, string>
}

const START_SECONDS = 60
const POLL_SECONDS = 0.2

/** Starts a webhook that records all notifications. */
const startReceiver = async () => {
  const notifications: Notification[] = []
  const server = createServer((request, response) => {
    json(request)
      .then((body) => {
        notifications.push(...(body as { alerts: Notification[] }).alerts)
        response.end()
      })
      .catch((error: Error) => response.writeHead(400).end(error.message))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { notifications, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

/**
 * Starts Alertmanager. It sends each notification at once and does not repeat it within an hour. Rejects with its output
 * when it does not start.
 */
export const startAlertmanager = async () => {
  const receiver = await startReceiver()
  const folder = await mkdtemp(join(tmpdir(), 'meshgauge-alertmanager-'))
  const config = join(folder, 'alertmanager.yml')
  // JSON is YAML.
  const route = {
    receiver: 'test',
    group_by: ['...'],
    group_wait: '0s',
    group_interval: '1s',
    repeat_interval: '1h',
  }
  const receivers = [{ name: 'test', webhook_configs: [{ url: receiver.url, send_resolved: true }] }]
  await writeFile(config, JSON.stringify({ route, receivers }))
  const address = `127.0.0.1:${await freePort()}`
  const child = execa(
    'prometheus-alertmanager',
    [
      `--config.file=${config}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--cluster.listen-address=',
      '--log.level=warn',
    ],
    { forceKillAfterDelay: 5000, all: true },
  )
  let failure: unknown
  const ended = child.catch((error: unknown) => {
    failure = error
  })
  const close = async () => {
    child.kill()
    await ended
    receiver.server.closeAllConnections()
    await new Promise((resolve) => receiver.server.close(resolve))
    await rm(folder, { recursive: true, force: true })
  }
  const ready = () =>
    fetch(`http://${address}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  for (let waited = 0; !(await ready()); waited += POLL_SECONDS) {
    if (failure || waited > START_SECONDS) {
      await close()
      throw failure ?? new Error(`alertmanager was not ready within ${START_SECONDS} s`)
    }
    await sleep(POLL_SECONDS * 1000)
  }
  return {
    /** host:port, for Prometheus. */
    address,
    /** All notifications, oldest first. */
    notifications: (): readonly Notification[] => receiver.notifications,
    close,
  }
}
