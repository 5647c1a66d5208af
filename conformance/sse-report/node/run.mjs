// Runs one parser over one input in the ways asked for and writes what it gave out.
//
// node run.mjs PEER FILE LAST_EVENT_ID CHUNKING…, as ../rust/src/main.rs.

import { readFileSync, writeSync } from 'node:fs'
import { peers } from './peers.mjs'

class Seen {
  lines = []
  bytes = 0

  write(...line) {
    const text = JSON.stringify(line)
    this.lines.push(text)
    this.bytes += text.length
    if (this.bytes > 1 << 20) this.flush()
  }

  flush() {
    let rest = Buffer.from(this.lines.map((line) => line + '\n').join(''))
    while (rest.length > 0) rest = rest.subarray(writeSync(1, rest))
    this.lines = []
    this.bytes = 0
  }

  event(type, data, lastEventId) {
    this.write('event', String(type), String(data), String(lastEventId))
  }

  retry(ms) {
    this.write('retry', Number.isInteger(ms) ? String(BigInt(ms)) : String(ms))
  }

  lastEventId(id) {
    this.write('id', String(id))
  }

  error(error) {
    this.write('error', String(error?.message ?? error))
  }
}

function* cut(input, chunking) {
  const [kind, numbers = ''] = chunking.split(':')
  if (kind === 'cut') {
    let from = 0
    for (const to of [...numbers.split(',').map(Number), input.length]) {
      yield input.slice(from, to)
      from = to
    }
    return
  }
  const size = { whole: Math.max(input.length, 1), bytes: 1, size: Number(numbers) }[kind]
  for (let from = 0; from < input.length; from += size) yield input.slice(from, from + size)
}

const [name, file, lastEventId, ...chunkings] = process.argv.slice(2)
// Not a Buffer, whose slices share memory: each chunk stands alone, as those of a response do.
const input = new Uint8Array(readFileSync(file))
const seen = new Seen()
process.on('exit', () => seen.flush())
for (const chunking of chunkings) {
  seen.write('begin', chunking)
  seen.flush()
  try {
    await peers[name](cut(input, chunking), lastEventId, seen)
  } catch (error) {
    seen.error(error)
  }
  seen.write('end')
}
process.exit()
