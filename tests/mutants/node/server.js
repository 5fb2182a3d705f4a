// What both services on Node share: reading a request, writing JSON, and the process around them.
//
//   node pristo.js PORT BUG       one service on loopback; prints its variables, a line each, and then "ready"
//
// Written from the vendors' pages alone. Nothing of the Python mock is used here: what Node's JSON, text and regular expressions
// do by themselves is what makes these services worth having.
'use strict';

const http = require('node:http');
const { TextDecoder } = require('node:util');

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parse(bytes) {
  if (bytes.length === 0) throw new Refusal(400, 'The body is empty.');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new Refusal(400, 'The body is not valid JSON.');
  }
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function send(response, status, body, headers = {}) {
  const content = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': content.length,
    ...headers,
  });
  response.end(content);
}

// `handle(request, bytes)` returns {status, body, headers}; `failed(error)` says what an error looks like.
function serve({ handle, failed, variables }) {
  const server = http.createServer(async (request, response) => {
    const bytes = await read(request);
    let result;
    try {
      result = await handle(request, bytes);
    } catch (error) {
      const known = error instanceof Refusal;
      result = failed(known ? error.status : 500, known ? error.message : 'Something went wrong.', request);
    }
    if (result.raw === undefined) {
      send(response, result.status, result.body, result.headers);
    } else {
      response.writeHead(result.status, { 'Content-Type': result.type });
      response.end(result.raw);
    }
  });
  server.keepAliveTimeout = 60000;
  server.listen(Number(process.argv[2] || 0), '127.0.0.1', () => {
    const base = `http://127.0.0.1:${server.address().port}`;
    for (const [name, value] of Object.entries(variables(base))) console.log(`${name}=${value}`);
    console.log('ready');
  });
  // Its parent holds the other end of this; when the parent ends, so does the service.
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
}

module.exports = { Refusal, UUID, isObject, parse, serve };
