// An HTTP service. `node service.js cache PORT`: answers are kept in an LRU cache that holds its bound.
// `node service.js sessions PORT`: each request opens a session in a Map that nothing cleans.
'use strict';
const http = require('node:http');
const [kind, port] = process.argv.slice(2);

/** The oldest entry goes when there are too many: a Map keeps the order of insertion. */
class Lru {
  constructor(bound) { this.bound = bound; this.entries = new Map(); }
  get(key) {
    const value = this.entries.get(key);
    if (value !== undefined) { this.entries.delete(key); this.entries.set(key, value); }
    return value;
  }
  set(key, value) {
    this.entries.set(key, value);
    if (this.entries.size > this.bound) this.entries.delete(this.entries.keys().next().value);
  }
}

/** What rendering a page makes: garbage for the most part, and a page of some 4 KB. */
function render(key) {
  const rows = Array.from({ length: 400 }, (_, row) => ({ key, row, name: `item ${key}-${row}`, price: Math.random() }));
  const page = JSON.parse(JSON.stringify(rows)).slice(0, 24);
  return { page, at: Date.now() };
}

const cache = new Lru(25_000);
const sessions = new Map();

http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const key = url.searchParams.get('key');
  let answer;
  if (kind === 'cache') {
    answer = cache.get(key);
    if (answer === undefined) cache.set(key, answer = render(key));
  } else {
    answer = render(key);
    sessions.set(`${key}-${sessions.size}`, { user: key, headers: request.headers, last: answer.page.slice(0, 12) });
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answer.page));
}).listen(Number(port), '127.0.0.1');
