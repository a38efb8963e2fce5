// Elements as functions, and a view that changes what is there only where it differs.
// A text becomes a text node, never markup.

const SVG = "http://www.w3.org/2000/svg";

function make(element, props, children) {
  element.on = {};
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) {
      element.on[name.slice(2)] = value;
      element.addEventListener(name.slice(2), dispatch);
    } else if (name === "key") element.key = value;
    else if (name === "style") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else if (name === "value" || name === "checked") {
      element[name] = value;
      element.given = value;
    } else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...nodes(children));
  if (props?.value !== undefined && element.localName === "select") element.value = props.value;
  return element;
}

function dispatch(event) {
  return event.currentTarget.on[event.type]?.(event);
}

function nodes(children) {
  return children.flat(Infinity)
    .filter((each) => each !== null && each !== undefined && each !== false && each !== "")
    .map((each) => (each instanceof Node ? each : document.createTextNode(String(each))));
}

export const h = (tag, props, ...children) => make(document.createElement(tag), props, children);
export const s = (tag, props, ...children) => make(document.createElementNS(SVG, tag), props, children);

// Show these children in a parent.
export function show(parent, ...children) {
  sync(parent, nodes(children));
}

function sync(parent, wanted) {
  const keyed = new Map();
  for (const child of parent.childNodes) if (child.key !== undefined) keyed.set(child.key, child);
  let next = parent.firstChild;
  for (const one of wanted) {
    let old = one.key !== undefined ? keyed.get(one.key) : next?.key === undefined ? next : null;
    if (old && old.nodeName === one.nodeName) {
      if (old === next) next = next.nextSibling;
      else parent.insertBefore(old, next);
      update(old, one);
    } else parent.insertBefore(one, next);
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

function update(old, one) {
  if (old === one) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== one.data) old.data = one.data;
    return;
  }
  for (const { name } of [...old.attributes])
    if (!one.hasAttribute(name) && !(name === "open" && old.localName === "details")) old.removeAttribute(name);
  for (const { name, value } of one.attributes)
    if (old.getAttribute(name) !== value) {
      if (name === "style") old.style.cssText = one.style.cssText;
      else old.setAttribute(name, value);
    }
  for (const type of Object.keys(one.on)) if (!(type in old.on)) old.addEventListener(type, dispatch);
  old.on = one.on;
  sync(old, [...one.childNodes]);
  if (one.given !== undefined && one.given !== old.given) {
    const name = one.type === "checkbox" ? "checked" : "value";
    old[name] = one.given;
    old.given = one.given;
  }
}
