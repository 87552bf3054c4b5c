"""An application that the commands load: two questions to a stub, one after the other."""

APP = """
import openai

client = openai.OpenAI(base_url={url!r}, api_key="key", max_retries=0)


def ask(prompt):
    reply = client.chat.completions.create(
        model="stub", messages=[{{"role": "user", "content": prompt}}], temperature=0
    )
    return reply.choices[0].message.content


def answer(query):
    return ask(f"List the causes: {{query}}") + ask(f"List the effects: {{query}}")
"""
