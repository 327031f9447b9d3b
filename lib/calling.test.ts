import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { AgentServiceDefinition } from '#proto/meshgauge/agent/v1/agent.ts'
import { createServiceClient, openChannel } from './calling.ts'
import { Status, statusDetailsOf, statusOf } from './errors.ts'

test('a connection that ends in the middle of a call is UNAVAILABLE, not INTERNAL', async () => {
  const server = createServer().on('stream', (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const channel = openChannel(`127.0.0.1:${port}`, {})
  try {
    const error: unknown = await createServiceClient(AgentServiceDefinition, channel)
      .describe({})
      .catch((failure: unknown) => failure)
    expect(statusOf(error)).toBe(Status.UNAVAILABLE)
    expect(statusDetailsOf(error)).toBe('the connection was lost')
  } finally {
    channel.close()
    server.close()
  }
})
