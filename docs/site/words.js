// Marks the words of inline code, so that site.css can keep each on one line. Words too long for a phone may break.
for (const code of document.querySelectorAll(":not(pre) > code")) {
  if (code.childElementCount > 0) continue;
  const parts = code.textContent.split(/( +)/).map((part) => {
    if (part.trim() === "" || part.length > 32) return part;
    const word = document.createElement("span");
    word.className = "word";
    word.textContent = part;
    return word;
  });
  code.replaceChildren(...parts);
}
