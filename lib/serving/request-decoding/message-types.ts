/** The types of all messages and methods that the protocol defines, read from its descriptors. */

import { BinaryReader } from '@bufbuild/protobuf/wire'

/** FieldDescriptorProto.Type of descriptor.proto, as far as values need checks. */
export const FIELD_TYPE = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  fixed64: 6,
  fixed32: 7,
  string: 9,
  message: 11,
  bytes: 12,
  sfixed32: 15,
  sfixed64: 16,
  sint64: 18,
} as const

export type Field = {
  name: string
  type: number
  repeated: boolean
  /** Full name of the message type; empty for other types. */
  messageType: string
}

export type MessageTypes = {
  /** Fields of a message by its full name, then by their number. */
  fields: ReadonlyMap<string, ReadonlyMap<number, Field>>
  /** Full name of a method's request by the method's path, such as /package.Service/Method. */
  requests: ReadonlyMap<string, string>
}

const LABEL_REPEATED = 3

type Visit = { [field: number]: (reader: BinaryReader) => void }

/** Reads a message, calling the function for each known field. */
const read = (bytes: Uint8Array, visit: Visit): void => {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    const take = visit[field]
    if (take) take(reader)
    else reader.skip(wireType, field)
  }
}

const withoutDot = (name: string): string => name.replace(/^\./, '')

const readField = (bytes: Uint8Array): [number: number, field: Field] => {
  const field: Field = { name: '', type: 0, repeated: false, messageType: '' }
  let number = 0
  read(bytes, {
    1: (reader) => {
      field.name = reader.string()
    },
    3: (reader) => {
      number = reader.int32()
    },
    4: (reader) => {
      field.repeated = reader.int32() === LABEL_REPEATED
    },
    5: (reader) => {
      field.type = reader.int32()
    },
    6: (reader) => {
      field.messageType = withoutDot(reader.string())
    },
  })
  return [number, field]
}

const readMessage = (bytes: Uint8Array, scope: string, into: Map<string, Map<number, Field>>): void => {
  const fields = new Map<number, Field>()
  const nested: Uint8Array[] = []
  let name = ''
  read(bytes, {
    1: (reader) => {
      name = `${scope}.${reader.string()}`
    },
    2: (reader) => {
      fields.set(...readField(reader.bytes()))
    },
    3: (reader) => {
      nested.push(reader.bytes())
    },
  })
  into.set(name, fields)
  for (const each of nested) readMessage(each, name, into)
}

const readService = (bytes: Uint8Array, scope: string, into: Map<string, string>): void => {
  let service = ''
  read(bytes, {
    1: (reader) => {
      service = `${scope}.${reader.string()}`
    },
    2: (reader) => {
      let [name, request] = ['', '']
      read(reader.bytes(), {
        1: (method) => {
          name = method.string()
        },
        2: (method) => {
          request = withoutDot(method.string())
        },
      })
      into.set(`/${service}/${name}`, request)
    },
  })
}

/** Reads a google.protobuf.FileDescriptorSet. */
export const readMessageTypes = (descriptors: Uint8Array): MessageTypes => {
  const fields = new Map<string, Map<number, Field>>()
  const requests = new Map<string, string>()
  read(descriptors, {
    1: (set) => {
      let scope = ''
      read(set.bytes(), {
        2: (file) => {
          scope = file.string()
        },
        4: (file) => readMessage(file.bytes(), scope, fields),
        6: (file) => readService(file.bytes(), scope, requests),
      })
    },
  })
  return { fields, requests }
}
