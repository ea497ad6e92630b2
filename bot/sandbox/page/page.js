"use strict";

const TEXTS = {
  en: {
    title: "Herald sandbox", platform: "Platform", channel: "Channel", member: "You are", send: "Send",
    hint: "Begin with / for a command. Nothing leaves this computer.", reply: "Reply", only: "only you see this",
    vote: "Vote", votes: "votes", closed: "closed", submit: "Send form", replying: "Replying to", sent: "Done.",
    empty: "No messages yet. Write the first one.", offline: "The sandbox does not answer.", write: "Message",
  },
  zh: {
    title: "Herald 沙盒", platform: "平台", channel: "频道", member: "你的身份", send: "发送",
    hint: "以 / 开头即为命令。一切都只在这台电脑上。", reply: "回复", only: "仅你可见",
    vote: "投票", votes: "票", closed: "已结束", submit: "提交表单", replying: "回复", sent: "完成。",
    empty: "还没有消息，来写第一条吧。", offline: "沙盒没有响应。", write: "消息",
  },
};
const PRIVATE = "dm";
const state = { language: navigator.language.startsWith("zh") ? "zh" : "en", channels: {}, errors: {}, drafts: {}, replyTo: null, shown: "" };
const $ = (id) => document.getElementById(id);
const say = (word) => TEXTS[state.language][word];

function make(tag, options = {}, ...children) {
  const { on, ...rest } = options;
  const node = Object.assign(document.createElement(tag), rest);
  for (const [name, handler] of Object.entries(on || {})) node.addEventListener(name, handler);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function notice(text, isError = false) {
  $("notice").textContent = text;
  $("notice").className = isError ? "error" : "";
}

async function call(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch("/control/" + path, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  return answer;
}

const place = () => ({ platform: $("platform").value, channel: $("channel").value, member: $("member").value.trim() });

async function act(name, fields) {
  try {
    const answer = await call(name, { ...place(), ...fields });
    notice(answer.toast || answer.url || "");
    await refresh();
    return answer;
  } catch (error) {
    notice(error.message, true);
    return null;
  }
}

async function submit(form, values) {
  const { platform, member } = place();
  try {
    const answer = await call("submit", { platform, member, form_id: form.id, values });
    state.errors[form.id] = answer.errors || {};
    if (!answer.errors) {
      delete state.drafts[form.id];
      notice(say("sent"));
    }
    await refresh(true);
  } catch (error) {
    notice(error.message, true);
  }
}

function formNode(form) {
  const draft = (state.drafts[form.id] ||= {});
  const fields = (form.fields || []).map((field) => {
    if (!(field.id in draft)) draft[field.id] = field.value ?? "";
    const change = (event) => { draft[field.id] = event.target.value; };
    const input = field.options
      ? make("select", { on: { change } }, ...field.options.map((option) => {
        const value = option.id ?? option.value ?? option;
        return make("option", { value, textContent: option.label ?? option.text ?? value, selected: value === draft[field.id] });
      }))
      : make(/multi|paragraph|area/.test(field.type || "") || draft[field.id].length > 60 ? "textarea" : "input", { value: draft[field.id], on: { input: change } });
    if (field.options && draft[field.id] === "") draft[field.id] = input.value;
    const wrong = (state.errors[form.id] || {})[field.id];
    return make("label", {}, field.label || field.id, input, wrong ? make("span", { className: "field-error", textContent: wrong }) : null);
  });
  const send = (event) => { event.preventDefault(); submit(form, { ...draft }); };
  return make("form", { on: { submit: send } },
    make("fieldset", {}, make("legend", { textContent: form.title || "" }), ...fields, make("button", { textContent: say("submit") })));
}

function pollNode(message) {
  const { poll } = message;
  const options = poll.options || poll.answers || [];
  const kind = poll.multiple ? "checkbox" : "radio";
  const rows = options.map((option, number) => make("label", {},
    make("input", { type: kind, name: "poll" + message.id, value: number, disabled: Boolean(poll.closed) }),
    ` ${option.text ?? option.label ?? option} — ${option.votes ?? option.count ?? 0} ${say("votes")}`));
  const vote = (event) => {
    event.preventDefault();
    const chosen = [...event.target.querySelectorAll("input:checked")].map((input) => Number(input.value));
    act("vote", { message_id: message.id, options: chosen });
  };
  const button = make("button", { textContent: poll.closed ? say("closed") : say("vote"), disabled: Boolean(poll.closed) });
  return make("form", { on: { submit: vote } }, make("fieldset", {}, ...rows, button));
}

function messageNode(message) {
  const buttons = (message.buttons || []).map((button) => make("button", {
    type: "button", textContent: button.label, on: { click: () => act("click", { message_id: message.id, button: button.id }) },
  }));
  const reply = () => { state.replyTo = message; showReplying(); $("text").focus(); };
  return make("article", { className: (message.reply_to ? "reply " : "") + (message.private_to ? "private" : "") },
    make("span", { className: "who", textContent: message.author }),
    message.private_to ? make("span", { className: "mark", textContent: say("only") }) : null,
    make("p", { className: "text", textContent: message.text }),
    buttons.length ? make("div", { className: "buttons" }, ...buttons) : null,
    message.poll ? pollNode(message) : null,
    message.form ? formNode(message.form) : null,
    message.private_to ? null : make("button", { className: "act", type: "button", textContent: say("reply"), on: { click: reply } }));
}

/* Replies stand under what they answer. */
function ordered(messages) {
  const known = new Set(messages.map((message) => message.id));
  const under = new Map();
  for (const message of messages) {
    const parent = known.has(message.reply_to) ? message.reply_to : null;
    under.set(parent, [...(under.get(parent) || []), message]);
  }
  const walk = (id) => (under.get(id) || []).flatMap((message) => [message, ...walk(message.id)]);
  return walk(null);
}

async function refresh(force = false) {
  const { platform, channel, member } = place();
  if (!platform || !channel) return;
  const query = new URLSearchParams({ platform, channel, ...(member ? { member } : {}) });
  const { messages } = await call("channel?" + query);
  const shown = JSON.stringify([platform, channel, messages, state.errors, state.language]);
  const typing = $("messages").contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
  if (shown === state.shown || (typing && !force)) return;
  state.shown = shown;
  const box = $("messages");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  const nodes = ordered(messages).map(messageNode);
  box.replaceChildren(...(nodes.length ? nodes : [make("p", { textContent: say("empty") })]));
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function showReplying() {
  $("replying").hidden = !state.replyTo;
  if (state.replyTo) $("replying").firstElementChild.textContent = `${say("replying")} ${state.replyTo.author}: ${state.replyTo.text.slice(0, 60)}`;
}

function showChannels() {
  const names = Object.keys(state.channels).filter((name) => name.startsWith($("platform").value + "/")).map((name) => name.split("/")[1]);
  $("channel").replaceChildren(...[...names, PRIVATE].map((name) => make("option", { value: name, textContent: name })));
}

function showTexts() {
  document.documentElement.lang = state.language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
  $("language").textContent = state.language === "en" ? "中文" : "English";
  $("text").placeholder = say("write");
  $("text").setAttribute("aria-label", say("write"));
  showReplying();
}

async function write(event) {
  event.preventDefault();
  const text = $("text").value;
  if (!text.trim()) return;
  const isCommand = text.startsWith("/");
  const reply = state.replyTo && !isCommand ? { reply_to: state.replyTo.id } : {};
  if (await act(isCommand ? "command" : "say", { text, ...reply })) {
    $("text").value = "";
    state.replyTo = null;
    showReplying();
    $("messages").scrollTop = $("messages").scrollHeight;
  }
}

async function tick() {
  try {
    await refresh();
    if ($("notice").textContent === say("offline")) notice("");
  } catch (error) {
    notice(error instanceof TypeError ? say("offline") : error.message, true);
  }
  setTimeout(tick, 1000);
}

async function start() {
  showTexts();
  state.channels = (await call("info")).channels;
  const platforms = [...new Set(Object.keys(state.channels).map((name) => name.split("/")[0]))];
  $("platform").replaceChildren(...platforms.map((name) => make("option", { value: name, textContent: name })));
  const asked = new URLSearchParams(location.search); // links may say where to look: /?platform=slack&channel=review
  if (platforms.includes(asked.get("platform"))) $("platform").value = asked.get("platform");
  $("member").value = asked.get("member") || "ana";
  showChannels();
  const names = [...$("channel").options].map((option) => option.value);
  if (names.includes(asked.get("channel"))) $("channel").value = asked.get("channel");
  const again = () => { state.replyTo = null; showReplying(); notice(""); refresh(true).catch((error) => notice(error.message, true)); };
  $("platform").addEventListener("change", () => { showChannels(); again(); });
  $("channel").addEventListener("change", again);
  $("member").addEventListener("change", again);
  $("unreply").addEventListener("click", () => { state.replyTo = null; showReplying(); });
  $("language").addEventListener("click", () => { state.language = state.language === "en" ? "zh" : "en"; showTexts(); refresh(true); });
  $("write").addEventListener("submit", write);
  tick();
}

start();
