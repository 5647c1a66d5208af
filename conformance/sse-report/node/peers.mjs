// One adapter per parser, each as its documentation shows the parser's use: bytes through a
// TextDecoder where it wants text. Where it gives out raw blocks, the adapter keeps the last event
// ID as a user has to; what it cannot say at all is not made up here, and ../peers.py says so.

import { createRequire } from 'node:module'
import { getLines, getMessages } from '@microsoft/fetch-event-source/lib/cjs/parse.js'
import { EventSource } from 'eventsource'
import { createParser } from 'eventsource-parser'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import eventStreamParser from 'event-stream-parser'
import { events as fetchEventStream } from 'fetch-event-stream'
import { parseServerSentEvents } from 'parse-sse'

// Not exported by name: it is a part of undici's EventSource.
const { EventSourceStream } = createRequire(import.meta.url)(
  'undici/lib/web/eventsource/eventsource-stream.js')

const body = (chunks) => new ReadableStream({
  pull(controller) {
    const { value, done } = chunks.next()
    if (done) controller.close()
    else controller.enqueue(value)
  }
})
const response = (chunks) =>
  new Response(body(chunks), { headers: { 'content-type': 'text/event-stream' } })

export const peers = {
  'eventsource-parser': async (chunks, lastEventId, seen) => {
    const decoder = new TextDecoder()
    const parser = createParser({
      onEvent: (event) => seen.event(event.event || 'message', event.data, lastEventId),
      onId: (id) => { lastEventId = id },
      onRetry: (ms) => seen.retry(ms)
    })
    for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }))
    seen.lastEventId(lastEventId)
  },

  'eventsource-parser/stream': async (chunks, lastEventId, seen) => {
    // The callbacks run ahead of the stream, so an event's own ID is what counts.
    let final = lastEventId
    const options = { onId: (id) => { final = id }, onRetry: (ms) => seen.retry(ms) }
    const events = body(chunks)
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream(options))
    for await (const event of events) {
      lastEventId = event.id ?? lastEventId
      seen.event(event.event || 'message', event.data, lastEventId)
    }
    seen.lastEventId(final)
  },

  // The whole class. What it would send when it reconnects says the rest: its wait, its header.
  eventsource: (chunks, _, seen) => new Promise((resolve) => {
    const setTimer = globalThis.setTimeout
    globalThis.setTimeout = (callback, ms, ...more) => {
      if (ms !== 3000) seen.retry(ms)
      // By its number: the class would let the program end while the timer runs.
      return Number(setTimer(callback, 0, ...more))
    }
    const finish = () => {
      globalThis.setTimeout = setTimer
      source.close()
      resolve()
    }
    let asked = 0
    const fetch = async (_, init) => {
      if (asked++ === 0) return response(chunks)
      const header = Buffer.from(init.headers['Last-Event-ID'] ?? '', 'latin1').toString('utf8')
      seen.lastEventId(header)
      finish()
      return new Promise(() => {})
    }
    const source = new EventSource('http://127.0.0.1/', { fetch })
    source.dispatchEvent = (event) => {
      if (event instanceof MessageEvent) seen.event(event.type, event.data, event.lastEventId)
      else if (event.type === 'error' && event.message) {
        seen.error(event.message)
        if (source.readyState === source.CLOSED) finish()
      }
      return true
    }
  }),

  undici: (chunks, lastEventId, seen) => new Promise((resolve) => {
    const state = { lastEventId, reconnectionTime: null, origin: '' }
    const stream = new EventSourceStream({
      eventSourceSettings: state,
      push: (event) => {
        if (event) seen.event(event.type, event.options.data, event.options.lastEventId)
        return true
      }
    })
    const finish = (error) => {
      if (error) seen.error(error)
      if (state.reconnectionTime !== null) seen.retry(state.reconnectionTime)
      seen.lastEventId(state.lastEventId)
      resolve()
    }
    stream.on('error', finish)
    const write = () => {
      for (;;) {
        const { value, done } = chunks.next()
        if (stream.destroyed) return
        if (done) return stream.end(() => finish())
        if (!stream.write(Buffer.from(value))) return stream.once('drain', write)
      }
    }
    write()
  }),

  'fetch-event-source': async (chunks, lastEventId, seen) => {
    // Its messages have '' for no ID and for an empty one; its callback is what it resumes with.
    const onId = (id) => { lastEventId = id }
    const onMessage = (message) =>
      seen.event(message.event || 'message', message.data, lastEventId)
    const onLine = getLines(getMessages(onId, (ms) => seen.retry(ms), onMessage))
    for (const chunk of chunks) onLine(chunk)
    seen.lastEventId(lastEventId)
  },

  'fetch-event-stream': async (chunks, lastEventId, seen) => {
    for await (const event of fetchEventStream(response(chunks))) {
      if (event.retry !== undefined) seen.retry(event.retry)
      lastEventId = event.id ?? lastEventId
      if (event.data !== undefined) seen.event(event.event || 'message', event.data, lastEventId)
    }
    seen.lastEventId(lastEventId)
  },

  'parse-sse': async (chunks, _, seen) => {
    for await (const event of parseServerSentEvents(response(chunks))) {
      if (event.retry !== undefined) seen.retry(event.retry)
      seen.event(event.type, event.data, event.lastEventId)
    }
  },

  'event-stream-parser': async (chunks, _, seen) => {
    for await (const event of await eventStreamParser.parse(body(chunks))) {
      seen.event(event.type, event.data, event.lastEventId)
    }
  }
}
