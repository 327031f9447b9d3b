/**
 * Reflection and channelz, which are loaded when they are called. Loaded at the start, they would take 6.5 MiB more memory
 * (an idle agent has 68 MiB). Until then their messages are bytes: the handlers decode requests and encode responses.
 */

import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { getChannelzHandlers, getChannelzServiceDefinition } from '@grpc/grpc-js'
import type { CallContext, CompatServiceDefinition, ServiceImplementation } from 'nice-grpc'

/** A service and what implements it. */
export type Service = {
  definition: CompatServiceDefinition
  implementation: ServiceImplementation<CompatServiceDefinition>
}

type Codec = { requestDeserialize(bytes: Buffer): unknown; responseSerialize(value: unknown): Buffer }

const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes)

const byteMethod = (path: string, isStream: boolean) => ({
  path,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: toBuffer,
  requestDeserialize: toBuffer,
  responseSerialize: toBuffer,
  responseDeserialize: toBuffer,
})

const CHANNELZ_METHODS = [
  'GetTopChannels',
  'GetServers',
  'GetServer',
  'GetServerSockets',
  'GetChannel',
  'GetSubchannel',
  'GetSocket',
]

type ChannelzHandler = (
  call: { request: unknown },
  callback: (error: Error | null, response?: unknown) => void,
) => void

/** Statistics of gRPC about its channels, servers and sockets. */
export const channelzService = (): Service => {
  const answer = (name: string) => async (bytes: Buffer) => {
    const { [name]: codec } = getChannelzServiceDefinition() as unknown as Record<string, Codec>
    const { [name]: handler } = getChannelzHandlers() as unknown as Record<string, ChannelzHandler>
    return codec!.responseSerialize(await promisify(handler!)({ request: codec!.requestDeserialize(bytes) }))
  }
  const perMethod = <T>(make: (name: string) => T) =>
    Object.fromEntries(CHANNELZ_METHODS.map((name) => [name, make(name)]))
  return {
    definition: perMethod((name) => byteMethod(`/grpc.channelz.v1.Channelz/${name}`, false)),
    implementation: perMethod(answer),
  }
}

/**
 * The .proto files of the named services, for clients such as grpcurl.
 * @param descriptorFile a google.protobuf.FileDescriptorSet
 */
export const reflectionService = (serviceNames: readonly string[], descriptorFile: URL): Service => {
  async function* serverReflectionInfo(requests: AsyncIterable<Buffer>, context: CallContext) {
    const { ServerReflection, ServerReflectionService } = await import('nice-grpc-server-reflection')
    const codec = ServerReflectionService.serverReflectionInfo
    const reflection = ServerReflection(readFileSync(descriptorFile), [...serviceNames])
    const decode = async function* () {
      for await (const bytes of requests) yield codec.requestDeserialize(bytes)
    }
    for await (const response of reflection.serverReflectionInfo(decode(), context)) {
      yield codec.responseSerialize(response as Parameters<typeof codec.responseSerialize>[0])
    }
  }
  const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
  return {
    definition: { serverReflectionInfo: byteMethod(path, true) },
    implementation: { serverReflectionInfo } as unknown as ServiceImplementation<CompatServiceDefinition>,
  }
}
